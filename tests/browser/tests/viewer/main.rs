//! The viewer page in a browser: what it draws and says is what Rust computes, and it connects to nothing.

#![allow(clippy::unwrap_used, reason = "a failed test panics")]

mod browser;
mod phantom;
mod screen;

use browser::Browser;
use ndarray::Array3;
use phantom::{Phantom, SHAPE, block, id, is_outlined, middle, relevance, scan_value, smooth, voxels};
use relevox_report::viewer::{Image, Viewer};
use relevox_volume::Geometry;
use screen::{PLANES, Screen};
use serde_json::Value;

/// Grey levels and colours may be rounded twice: by the page and by the browser.
const TOLERANCE: i32 = 3;

fn opened(phantom: &Phantom) -> Browser {
    let browser = Browser::start();
    browser.open(&phantom.viewer().to_html().unwrap());
    browser
}

/// The levels of a scan as the page stores them.
fn shown_grey(page: &Value, scan: usize, block: usize) -> i32 {
    let image = &page["images"][scan];
    let number = |key: &str| image[key].as_f64().unwrap();
    let window = [0, 1].map(|end| image["window"][end].as_f64().unwrap());
    let value = f64::from(scan_value(scan, block));
    let level = ((value - number("low")) / number("step")).round().clamp(0.0, 255.0);
    let shown = number("low") + level * number("step");
    assert!((shown - value).abs() <= number("step") / 2.0 + 1e-6, "no block is clipped");
    (255.0 * ((shown - window[0]) / (window[1] - window[0])).clamp(0.0, 1.0)).round() as i32
}

#[track_caller]
fn assert_near(found: [i32; 3], expected: [i32; 3], what: &str) {
    let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= TOLERANCE);
    assert!(near, "{what}: expected {expected:?}, found {found:?}");
}

#[test]
fn scans_are_drawn_where_they_lie_in_the_patient_whatever_the_file_s_axes() {
    for phantom in [Phantom::lps(), Phantom::asr()] {
        let browser = opened(&phantom);
        let screen = Screen::new(&browser);
        let page = screen.data();
        // Only the scan.
        browser.keys("omec");
        for scan in [0, 1] {
            for slice in 0..3 {
                screen.centre_on(middle([slice, slice, slice]));
                for plane in PLANES {
                    for at in screen.middles(plane) {
                        let grey = shown_grey(&page, scan, block(at));
                        let what = format!("{} scan {scan} at {at:?}", plane.name);
                        assert_near(screen.pixel(plane, at), [grey; 3], &what);
                    }
                }
            }
            browser.keys("s");
        }
    }
}

#[test]
fn overlays_are_blended_in_the_colours_of_the_figures() {
    let phantom = Phantom::asr();
    let browser = opened(&phantom);
    let screen = Screen::new(&browser);
    let page = screen.data();
    browser.keys("mec");
    screen.centre_on(middle([1, 1, 1]));
    let colours = screen.palette("heat");
    for plane in PLANES {
        for at in screen.middles(plane) {
            let share = f64::from(relevance(block(at))) / 100.0;
            let opacity = 0.6 * (share / 0.2).min(1.0);
            let grey = f64::from(shown_grey(&page, 0, block(at)));
            let colour = colours[(share * 255.0).round() as usize];
            let blended = colour.map(|c| (grey + (f64::from(c) - grey) * opacity).round() as i32);
            assert_near(screen.pixel(plane, at), blended, &format!("{} at {at:?}", plane.name));
        }
    }
    // Hidden and shown again.
    let at = middle([1, 2, 3]);
    screen.centre_on(at);
    let blended = screen.pixel(PLANES[0], at);
    browser.keys("o");
    assert_near(screen.pixel(PLANES[0], at), [shown_grey(&page, 0, block(at)); 3], "without overlay");
    browser.keys("o");
    assert_eq!(screen.pixel(PLANES[0], at), blended);
}

#[test]
fn slices_are_counted_on_the_whole_scan() {
    let grid = Geometry::axis_aligned([10, 12, 14], [1.0; 3]);
    let scan = Array3::from_shape_fn(grid.shape, |(z, y, x)| {
        let inside = (3..8).contains(&z) && (2..9).contains(&y) && (5..13).contains(&x);
        if inside { (1 + z + y + x) as f32 } else { 0.0 }
    });
    let images = vec![Image { name: "t1".to_owned(), voxels: scan.view() }];
    let browser = Browser::start();
    browser.open(&Viewer { images, ..Viewer::on(&grid) }.to_html().unwrap());
    let shape = browser.script("return JSON.parse(document.getElementById('data').textContent).grid.shape");
    assert_ne!(shape, serde_json::json!(grid.shape), "background is not cropped");
    // The foreground begins at [3, 2, 5]; a margin of two voxels is stored around it.
    for (plane, slice) in PLANES.into_iter().zip(["2 of 10", "1 of 12", "4 of 14"]) {
        let script = format!(
            "const slider = document.querySelector('[data-plane={}] .slices'); slider.value = '0'; \
             slider.dispatchEvent(new Event('input'))",
            plane.name
        );
        browser.script(&script);
        browser.next_frame();
        let found = browser.text(&format!("[data-plane={}] .slice", plane.name));
        assert_eq!(found, slice, "{}: the first of the stored ones", plane.name);
    }
}

#[test]
fn the_wheel_scrolls_slices_and_the_planes_follow() {
    let phantom = Phantom::lps();
    let browser = opened(&phantom);
    let screen = Screen::new(&browser);
    screen.centre_on([9, 9, 9]);
    for (plane, down) in PLANES.into_iter().zip([-1, 1, 1]) {
        let before = screen.crosshair();
        browser.wheel(screen.position(plane, before), 3);
        let after = screen.crosshair();
        let mut expected = before.map(|index| index as isize);
        expected[plane.through] += 3 * down;
        assert_eq!(after.map(|index| index as isize), expected, "{}", plane.name);
        let slice = browser.text(&format!("[data-plane={}] .slice", plane.name));
        assert_eq!(slice, format!("{} of {}", after[plane.through] + 1, SHAPE[plane.through]));
    }
    browser.wheel(screen.position(PLANES[0], screen.crosshair()), -40);
    assert_eq!(screen.crosshair()[0], SHAPE[0] - 1, "the last slice");
    // A click in one plane moves the other two.
    let at = [SHAPE[0] - 1, 3, 20];
    browser.click(screen.position(PLANES[0], at));
    assert_eq!(screen.crosshair(), at);
    browser.click(screen.position(PLANES[1], [4, 3, 25]));
    assert_eq!(screen.crosshair(), [4, 3, 25]);
}

#[test]
fn hovering_shows_the_values_and_the_region_of_the_voxel_in_the_file() {
    let phantom = Phantom::asr();
    let browser = opened(&phantom);
    let screen = Screen::new(&browser);
    screen.centre_on(middle([1, 2, 2]));
    let hovered =
        [(PLANES[0], middle([1, 3, 1])), (PLANES[1], middle([2, 2, 4])), (PLANES[2], middle([0, 1, 2]))];
    for (plane, at) in hovered {
        browser.hover(screen.position(plane, at));
        let place = browser.text("#readout-where");
        let [z, y, x] = phantom.file_voxel(at);
        let mm =
            phantom.lps.world(at.map(|index| index as f64)).map(|mm| format!("{mm:.1}").replace('-', "−"));
        assert_eq!(place, format!("Pointer: voxel {x}, {y}, {z} · {} mm", mm.join(", ")));
        let values = browser.text("#readout-values");
        let numbers: Vec<f64> =
            values.split(" · ").map(|part| part.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        for scan in [0, 1] {
            assert!((numbers[scan] - f64::from(scan_value(scan, block(at)))).abs() < 3.0, "{values}");
        }
        assert!((numbers[2] - f64::from(relevance(block(at)))).abs() < 0.051, "{values}");
        let region = browser.text("#readout-region");
        let row = phantom.viewer().regions.unwrap().rows[block(at)];
        let signed = |value: f64, places: usize| {
            let text = format!("{value:.places$}").replace('-', "−");
            if value > 0.0 { format!("+{text}") } else { text }
        };
        let expected = format!(
            "Region {}: rank {} of 59 · Δp {} · Δlogit {} · 0.97 ml",
            id(block(at)),
            row.rank,
            signed(row.delta_p.unwrap(), 3),
            signed(row.delta_logit.unwrap(), 2)
        );
        assert_eq!(region, expected);
    }
    // The last block is no region.
    screen.centre_on(middle([2, 3, 4]));
    browser.hover(screen.position(PLANES[0], middle([2, 3, 4])));
    assert_eq!(browser.text("#readout-region"), "No region");
}

#[test]
fn the_threshold_gives_the_volume_and_dice_that_rust_computes() {
    let phantom = Phantom::asr();
    let browser = opened(&phantom);
    let ml = 3.0 * 1.5 * 1.0 / 1000.0;
    let values: [&dyn Fn([usize; 3]) -> f64; 2] =
        [&|at| f64::from(relevance(block(at))), &|at| f64::from(smooth(at))];
    for (overlay, first) in [(0, 60.0), (1, 31.5)] {
        for threshold in [None, Some(12.0), Some(44.5)] {
            if let Some(threshold) = threshold {
                let script = format!(
                    "const slider = document.getElementById('threshold'); slider.value = '{threshold}'; \
                     slider.dispatchEvent(new Event('input'))"
                );
                browser.script(&script);
                browser.next_frame();
            }
            let from = threshold.unwrap_or(first);
            let mask: Vec<[usize; 3]> = voxels().filter(|&at| values[overlay](at) >= from).collect();
            let both = mask.iter().filter(|&&at| is_outlined(at)).count();
            let outlined = voxels().filter(|&at| is_outlined(at)).count();
            let dice = 2.0 * both as f64 / (mask.len() + outlined) as f64;
            let volume = mask.len() as f64 * ml;
            let places = if volume < 10.0 { 2 } else { 1 };
            let expected = format!("{volume:.places$} ml · Dice {dice:.3} with expert");
            // Between levels, a mask by hand of the quantised overlay is off by those voxels; whole numbers are not near one.
            assert_eq!(browser.text("#mask-text"), expected, "overlay {overlay} from {from}");
            let rule = if threshold.is_none() { "(Otsu by volume)" } else { "(by hand)" };
            assert!(browser.text("#threshold-text").ends_with(rule));
        }
        browser.script("document.getElementById('threshold-reset').click()");
        browser.next_frame();
        assert!(browser.text("#threshold-text").ends_with("(Otsu by volume)"));
        browser.keys("v");
    }
}

#[test]
fn the_list_of_regions_is_sorted_and_jumps() {
    let phantom = Phantom::asr();
    let browser = opened(&phantom);
    let screen = Screen::new(&browser);
    let first = || browser.text("#regions tbody tr:first-child td:nth-child(2)").parse::<u32>().unwrap();
    let rows = phantom.viewer().regions.unwrap().rows;
    assert_eq!(first(), rows.iter().find(|row| row.rank == 1).unwrap().id);
    let head = |column: usize| {
        browser.script(&format!("document.querySelectorAll('#regions th button')[{column}].click()"));
        browser.next_frame();
    };
    head(2);
    assert_eq!(first(), rows[rows.len() - 1].id, "largest Δp first");
    head(2);
    assert_eq!(first(), rows[0].id);
    browser.script("document.querySelector('#regions tbody tr:nth-child(4)').click()");
    browser.next_frame();
    assert_eq!(block(screen.crosshair()), 3);
    assert!(browser.text("#readout-region").starts_with(&format!("Region {}:", rows[3].id)));
    assert_eq!(browser.text("#regions tr.selected td:nth-child(2)"), rows[3].id.to_string());
}

/// Zeros and small changes are told apart.
#[test]
fn small_changes_keep_their_digits() {
    let phantom = Phantom::lps();
    let mut viewer = phantom.viewer();
    let regions = viewer.regions.as_mut().unwrap();
    let changes = [(0.25, -1.5), (-0.001_23, 0.0312), (0.000_456, -0.004), (-0.000_012, 0.0), (0.0, 12.0)];
    for (row, (delta_p, delta_logit)) in regions.rows.iter_mut().zip(changes) {
        (row.delta_p, row.delta_logit) = (Some(delta_p), Some(delta_logit));
    }
    let ids: Vec<u32> = regions.rows.iter().take(changes.len()).map(|row| row.id).collect();
    let browser = Browser::start();
    browser.open(&viewer.to_html().unwrap());
    let cells = |id: u32| {
        let script = format!(
            "return [...document.querySelectorAll('#regions tbody tr')].map((row) => [...row.cells].map((cell) => \
             cell.textContent)).find((cells) => cells[1] === '{id}').slice(2, 4).join(' ')"
        );
        browser.script(&script).as_str().unwrap().to_owned()
    };
    let expected = ["+0.250 −1.50", "−0.0012 +0.031", "+0.00046 −0.0040", "−1.2e−5 0", "0 +12.00"];
    assert_eq!(ids.into_iter().map(cells).collect::<Vec<_>>(), expected);
}

/// Directions and positions that the file does not state are not shown.
#[test]
fn a_file_without_orientation_has_no_letters_and_no_millimetres() {
    let (phantom, grid) = (Phantom::lps(), Geometry::unoriented(SHAPE, phantom::SPACING));
    let browser = Browser::start();
    browser.open(&Viewer { grid: &grid, ..phantom.viewer() }.to_html().unwrap());
    let screen = Screen::new(&browser);
    screen.centre_on(middle([1, 1, 1]));
    assert!(browser.text("#readout-where").contains("voxel "));
    assert!(!browser.text("#readout-where").contains("mm"), "{}", browser.text("#readout-where"));
    assert_eq!(browser.text("[data-plane=axial] figcaption b"), "Along z");
    browser.screenshot("unoriented");
}

#[test]
fn a_right_drag_changes_the_window_and_keys_move_the_crosshair() {
    let phantom = Phantom::lps();
    let browser = opened(&phantom);
    let screen = Screen::new(&browser);
    let window = || {
        let text = browser.text("#window-text");
        let (low, high) = text.split_once(" to ").unwrap();
        [low, high].map(|number| number.replace('−', "-").parse::<f64>().unwrap())
    };
    let before = window();
    let at = screen.position(PLANES[0], middle([1, 1, 1]));
    browser.right_drag(at, [at[0] + 60.0, at[1]]);
    let wider = window();
    assert!(wider[1] - wider[0] > 1.1 * (before[1] - before[0]), "{before:?} {wider:?}");
    browser.right_drag(at, [at[0], at[1] - 60.0]);
    let brighter = window();
    assert!(brighter[0] < wider[0] && (brighter[1] - brighter[0] - wider[1] + wider[0]).abs() < 5.0);
    browser.keys("r");
    assert_eq!(window(), before);
    browser.click(screen.position(PLANES[2], [9, 12, screen.crosshair()[2]]));
    let [z, y, x] = screen.crosshair();
    assert_eq!([z, y], [9, 12]);
    // Up, left (to the front), next slice (to the patient's left): the sagittal plane is active.
    browser.keys("\u{e013}\u{e012}\u{e00f}");
    assert_eq!(screen.crosshair(), [z + 1, y - 1, x + 1]);
    browser.keys("?");
    assert_eq!(browser.script("return document.getElementById('help').open"), true);
}

#[test]
fn a_phone_s_width_and_dark_colours_fit() {
    let browser = opened(&Phantom::lps());
    let background = "return getComputedStyle(document.body).backgroundColor";
    browser.prefer_colours("light");
    assert_eq!(browser.script(background), "rgb(255, 255, 255)");
    browser.prefer_colours("dark");
    assert_eq!(browser.script(background), "rgb(22, 23, 26)");
    browser.screenshot("dark");
    browser.resize(400, 800);
    let overflow = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(browser.script(overflow), 0, "the page is wider than the phone");
    browser.screenshot("phone");
    let widths =
        browser.script("return [...document.querySelectorAll('canvas[role]')].map((c) => c.clientWidth)");
    let widths: Vec<f64> = widths.as_array().unwrap().iter().map(|width| width.as_f64().unwrap()).collect();
    assert!(widths[0] > 350.0 && widths[1] > 150.0 && widths[2] > 150.0, "{widths:?}");
}

#[test]
fn thick_slices_have_their_true_proportions() {
    let browser = opened(&Phantom::lps());
    let screen = Screen::new(&browser);
    for plane in PLANES {
        let [width, height] = screen.size(plane);
        let mm = |axis: usize| SHAPE[axis] as f64 * phantom::SPACING[axis];
        let expected = mm(plane.across) / mm(plane.down);
        assert!((width / height / expected - 1.0).abs() < 0.01, "{}: {width} x {height}", plane.name);
    }
}

#[test]
fn nothing_is_requested_and_nothing_is_reported_on_the_console() {
    let browser = Browser::start();
    browser.requests();
    let page = Phantom::asr().viewer().to_html().unwrap();
    browser.open(&page);
    browser.keys("ssvvomecrf?");
    let requests = browser.requests();
    assert!(!requests.is_empty() && requests.iter().all(|url| url.starts_with("file://")), "{requests:?}");
    assert_eq!(browser.log("browser"), Vec::<Value>::new());
    // The policy holds: a connection that a script tries is refused before it is made.
    browser.script("try { fetch('http://127.0.0.1:9/').catch(() => {}) } catch {}");
    browser.script("const image = new Image(); image.src = 'http://127.0.0.1:9/x.png'");
    browser.next_frame();
    let refused = browser
        .log("browser")
        .iter()
        .filter(|entry| entry.to_string().contains("Content Security Policy"))
        .count();
    assert!(refused >= 2, "{refused}");
}

#[test]
fn a_damaged_page_says_so() {
    let browser = Browser::start();
    let page = Phantom::lps().viewer().to_html().unwrap();
    let start = page.find("id=\"volume-0\">").unwrap() + 40;
    let damaged = format!("{}AAAAAAAA{}", &page[..start], &page[start + 8..]);
    browser.open_unloaded(&damaged);
    browser.wait_until(
        "return document.getElementById('status').textContent.startsWith('The page could not be shown')",
    );
    // Without decompression, as in an old browser.
    let old = page.replace(
        "<meta charset=\"utf-8\">",
        "<meta charset=\"utf-8\"><script>delete window.DecompressionStream</script>",
    );
    browser.open_unloaded(&old);
    browser.wait_until(
        "return document.getElementById('status').textContent.startsWith('This browser is too old')",
    );
}
