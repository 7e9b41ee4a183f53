//! The page as a whole: head, controls, planes, data and script.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::content::Viewer;
use super::palette::Palette;
use super::payload::Payload;
use super::script::{BROWSER_CHECK, script};
use super::statement::statements;
use crate::error::Error;
use crate::theme::THEME;

/// Forbids the browser any connection: everything is in the file.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// Name, label, and the axes of a plane across and down the screen, as indices into `[z, y, x]`.
const PLANES: [(&str, &str, [usize; 2]); 3] =
    [("axial", "Axial", [2, 1]), ("coronal", "Coronal", [2, 0]), ("sagittal", "Sagittal", [1, 0])];

/// Labels of the planes of a grid whose directions are not known.
const UNORIENTED: [&str; 3] = ["Along z", "Along y", "Along x"];

const KEYS: [(&str, &str); 14] = [
    ("click, drag", "move the crosshair"),
    ("wheel", "move through the slices of the plane"),
    ("right drag, Shift + drag", "window: to the right wider, up brighter"),
    ("double click, F", "enlarge the plane, or show all three"),
    ("← → ↑ ↓", "move the crosshair in the plane by a voxel"),
    ("Page up, Page down", "previous or next slice of the plane"),
    ("S, Shift + S", "next or previous sequence"),
    ("V, Shift + V", "next or previous overlay"),
    ("O", "show or hide the overlay"),
    ("M", "show or hide the mask"),
    ("E", "show or hide the expert’s outline"),
    ("C", "show or hide the crosshair"),
    ("R", "reset the window"),
    ("?", "this help"),
];

impl Viewer<'_> {
    /// Returns the page, at most 8 MB for four sequences of 240 × 240 × 155 voxels that are stripped of the skull. Scans that
    /// would need more are stored with fewer levels, down to 32, which the page states. Equal content gives equal bytes.
    ///
    /// # Errors
    /// Returns [`Error::Empty`] without images and overlays, [`Error::ShapeMismatch`] if a volume does not have the grid's
    /// shape, [`Error::NonFinite`] for a NaN or an infinity, [`Error::InvalidSetting`] for a colour range without extent, and
    /// [`Error::Compression`] or [`Error::Json`] if the data cannot be encoded.
    pub fn to_html(&self) -> Result<String, Error> {
        self.check()?;
        let payload = Payload::new(self)?;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · Relevox" }
                    style { (PreEscaped(THEME)) (PreEscaped(include_str!("viewer.css"))) }
                }
                body {
                    (header(self))
                    p #status role="status" { "Loading…" }
                    noscript { p { "This page needs JavaScript. It connects to no network." } }
                    main #viewer hidden {
                        (controls(self))
                        (planes(&payload))
                        (readout())
                        div.below {
                            (regions(self))
                            (about(self, &payload))
                        }
                    }
                    (footer())
                    (help())
                    (data(&payload)?)
                }
            }
        };
        Ok(page.into_string())
    }
}

fn header(viewer: &Viewer<'_>) -> Markup {
    html! {
        header {
            h1 { (viewer.title) }
            button #help-button type="button" title="Help (?)" aria-label="Help" { "?" }
        }
    }
}

fn controls(viewer: &Viewer<'_>) -> Markup {
    html! {
        section.controls aria-label="Display" {
            @if !viewer.images.is_empty() {
                div.group {
                    label {
                        span { "Sequence" }
                        select #image {
                            @for (index, image) in viewer.images.iter().enumerate() {
                                option value=(index) { (image.name) }
                            }
                        }
                    }
                    label.wide title="Right drag or Shift + drag on a plane" {
                        span { "Window " output #window-text {} }
                        span.line {
                            input #window-low type="range" step="any" aria-label="Black";
                            input #window-high type="range" step="any" aria-label="White";
                            button #window-reset type="button" title="Reset the window (R)" { "Reset" }
                        }
                    }
                }
            }
            @if !viewer.overlays.is_empty() {
                div.group {
                    label {
                        span { "Overlay" }
                        span.line {
                            select #overlay {
                                @for (index, overlay) in viewer.overlays.iter().enumerate() {
                                    option value=(index) { (overlay.label) }
                                }
                            }
                            button #overlay-toggle.toggle type="button" aria-pressed="true" title="Show the overlay (O)" { "Show" }
                        }
                    }
                    label {
                        span { "Colours" }
                        select #palette {
                            @for palette in Palette::ALL {
                                option value=(palette.name()) { (palette.label()) }
                            }
                        }
                    }
                    label {
                        span { "Opacity " output #opacity-text {} }
                        input #opacity type="range" min="0" max="1" step="0.01" value="0.6";
                    }
                }
                div.group.threshold {
                    label.wide {
                        span { "Threshold " output #threshold-text {} }
                        span.scale {
                            output #scale-low {}
                            canvas #scale width="256" height="1" aria-hidden="true" {}
                            output #scale-high {}
                            input #threshold type="range" step="any";
                        }
                    }
                    div.line {
                        button #mask-toggle.toggle type="button" aria-pressed="true" title="Show the mask (M)" { i.swatch.mask {} "Mask" }
                        button #threshold-reset type="button" { "Reset" }
                        @if viewer.outline.is_some() {
                            button #outline-toggle.toggle type="button" aria-pressed="true" title="Show the expert’s outline (E)" { i.swatch.outline {} "Outline" }
                        }
                        output #mask-text {}
                    }
                }
            }
        }
    }
}

fn planes(payload: &Payload) -> Markup {
    let grid = &payload.grid;
    let mm = |axis: usize| grid.shape[axis] as f64 * grid.spacing_mm[axis];
    let total: f64 = PLANES.iter().map(|(_, _, [across, _])| mm(*across)).sum();
    let ratio = total / mm(0).max(mm(1));
    html! {
        section #planes aria-label="Planes" style=(format!("--ratio: {ratio:.4}")) {
            @for ((name, label, [across, down]), unoriented) in PLANES.into_iter().zip(UNORIENTED) {
                @let label = if grid.oriented { label } else { unoriented };
                @let size = format!("--across: {:.3}; --down: {:.3}", mm(across), mm(down));
                figure.plane data-plane=(name) style=(size) {
                    figcaption { b { (label) } " " output.slice {} }
                    canvas tabindex="0" role="img" aria-label={ (label) " plane" } {}
                    input.slices type="range" min="0" step="1" aria-label={ (label) " slice" };
                }
            }
        }
    }
}

fn readout() -> Markup {
    html! {
        section #readout aria-label="Values" {
            span #readout-where {}
            span #readout-values {}
            span #readout-region {}
        }
        p.hint {
            "Wheel: slices. Drag: crosshair. Right drag or Shift + drag: window. Keys: arrows, Page up and Page down, "
            kbd { "O" } " overlay, " kbd { "M" } " mask, " kbd { "?" } " help."
        }
    }
}

fn regions(viewer: &Viewer<'_>) -> Markup {
    html! {
        @if viewer.regions.is_some() {
            section.regions aria-labelledby="regions-title" {
                h2 #regions-title { "Regions" }
                div.scroll {
                    table #regions { thead {} tbody {} }
                }
            }
        }
    }
}

fn about(viewer: &Viewer<'_>, payload: &Payload) -> Markup {
    html! {
        section.about {
            @if !viewer.facts.is_empty() {
                h2 { "Case" }
                dl {
                    @for (name, value) in &viewer.facts {
                        dt { (name) }
                        dd { (value) }
                    }
                }
            }
            h2 { "What is shown" }
            ul #stored {
                @for line in statements(payload) { li { (line) } }
            }
        }
    }
}

fn footer() -> Markup {
    html! {
        footer {
            p {
                "Everything is inside this file; it connects to no network. Research software: not a medical device, not for \
                 diagnosis."
            }
        }
    }
}

fn help() -> Markup {
    html! {
        dialog #help aria-labelledby="help-title" {
            h2 #help-title { "Help" }
            table {
                @for (keys, what) in KEYS {
                    tr { th scope="row" { (keys) } td { (what) } }
                }
            }
            p {
                "Mask: white line. Expert’s outline: turquoise. Region under the pointer or selected: yellow. Δ is original − \
                 perturbed: above 0, the region speaks for the target."
            }
            button #help-close type="button" { "Close" }
        }
    }
}

fn data(payload: &Payload) -> Result<Markup, Error> {
    let json = payload.json()?;
    Ok(html! {
        script type="application/json" #data { (PreEscaped(json)) }
        @for (id, base64) in &payload.volumes {
            script type="text/plain" id=(id) { (PreEscaped(base64)) }
        }
        script { (PreEscaped(BROWSER_CHECK)) }
        script { (PreEscaped(script())) }
    })
}
