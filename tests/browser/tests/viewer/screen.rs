//! Where the planes are on the screen, and the pixels that they show.

use serde_json::Value;

use crate::browser::Browser;
use crate::phantom::{SHAPE, middle};

/// A plane; axes are indices into z, y, x.
#[derive(Clone, Copy, Debug)]
pub struct Plane {
    pub name: &'static str,
    pub across: usize,
    pub down: usize,
    pub through: usize,
    /// Whether the last index is at the top.
    pub flipped: bool,
}

pub const PLANES: [Plane; 3] = [
    Plane { name: "axial", across: 2, down: 1, through: 0, flipped: false },
    Plane { name: "coronal", across: 2, down: 0, through: 1, flipped: true },
    Plane { name: "sagittal", across: 1, down: 0, through: 2, flipped: true },
];

/// The planes of an open page, which stores the whole phantom.
pub struct Screen<'a> {
    browser: &'a Browser,
}

impl<'a> Screen<'a> {
    pub fn new(browser: &'a Browser) -> Self {
        let screen = Self { browser };
        let shape = &screen.data()["grid"]["shape"];
        assert_eq!(*shape, serde_json::json!(SHAPE), "the phantom has no background");
        screen
    }

    /// The page's data without volumes.
    pub fn data(&self) -> Value {
        self.browser.script("return JSON.parse(document.getElementById('data').textContent)")
    }

    /// Red, green and blue of a colour scale.
    pub fn palette(&self, name: &str) -> Vec<[u8; 3]> {
        let script = format!(
            "const data = JSON.parse(document.getElementById('data').textContent); \
             return [...atob(data.palettes.find((p) => p.name === '{name}').colours)].map((c) => c.charCodeAt(0))"
        );
        let bytes: Vec<u8> = self
            .browser
            .script(&script)
            .as_array()
            .unwrap()
            .iter()
            .map(|byte| byte.as_u64().unwrap() as u8)
            .collect();
        bytes.chunks_exact(3).map(|colour| [colour[0], colour[1], colour[2]]).collect()
    }

    /// The crosshair, from the slice numbers of the planes.
    pub fn crosshair(&self) -> [usize; 3] {
        PLANES.map(|plane| {
            let text = self.browser.text(&format!("[data-plane={}] .slice", plane.name));
            text.split(' ').next().unwrap().parse::<usize>().unwrap() - 1
        })
    }

    /// Moves the crosshair with the sliders below the planes.
    pub fn centre_on(&self, at: [usize; 3]) {
        for plane in PLANES {
            let script = format!(
                "const slider = document.querySelector('[data-plane={}] .slices'); slider.value = '{}'; \
                 slider.dispatchEvent(new Event('input'))",
                plane.name, at[plane.through]
            );
            self.browser.script(&script);
        }
        self.browser.next_frame();
        assert_eq!(self.crosshair(), at);
    }

    /// The middles of the blocks that a plane shows at the crosshair.
    pub fn middles(&self, plane: Plane) -> Vec<[usize; 3]> {
        let size = middle([1, 1, 1])[0] - middle([0, 0, 0])[0];
        let blocks = |axis: usize| 0..SHAPE[axis] / size;
        let at = self.crosshair();
        let through = plane.through;
        let pairs = blocks(plane.across).flat_map(|a| blocks(plane.down).map(move |d| (a, d)));
        let voxel = |(across, down)| {
            let mut block = [0; 3];
            (block[plane.across], block[plane.down]) = (across, down);
            let mut voxel = middle(block);
            voxel[through] = at[through];
            voxel
        };
        pairs.map(voxel).collect()
    }

    /// Share of the plane's width and height at the centre of a voxel.
    fn share(plane: Plane, at: [usize; 3]) -> [f64; 2] {
        let row = if plane.flipped { SHAPE[plane.down] - 1 - at[plane.down] } else { at[plane.down] };
        let share = |index: usize, axis: usize| (index as f64 + 0.5) / SHAPE[axis] as f64;
        [share(at[plane.across], plane.across), share(row, plane.down)]
    }

    fn rectangle(&self, plane: Plane) -> [f64; 4] {
        let script = format!(
            "const box = document.querySelector('[data-plane={}] canvas').getBoundingClientRect(); \
             return [box.left, box.top, box.width, box.height]",
            plane.name
        );
        let found = self.browser.script(&script);
        std::array::from_fn(|index| found[index].as_f64().unwrap())
    }

    /// Width and height of a plane.
    pub fn size(&self, plane: Plane) -> [f64; 2] {
        let [_, _, width, height] = self.rectangle(plane);
        [width, height]
    }

    /// Position in the window of the centre of a voxel.
    pub fn position(&self, plane: Plane, at: [usize; 3]) -> [f64; 2] {
        let [left, top, width, height] = self.rectangle(plane);
        let [x, y] = Self::share(plane, at);
        [(left + x * width).round(), (top + y * height).round()]
    }

    /// Red, green and blue of the plane's pixel at the centre of a voxel.
    pub fn pixel(&self, plane: Plane, at: [usize; 3]) -> [i32; 3] {
        let [x, y] = Self::share(plane, at);
        let script = format!(
            "const canvas = document.querySelector('[data-plane={}] canvas'); \
             const [x, y] = [Math.floor({x} * canvas.width), Math.floor({y} * canvas.height)]; \
             return [...canvas.getContext('2d').getImageData(x, y, 1, 1).data]",
            plane.name
        );
        let found = self.browser.script(&script);
        std::array::from_fn(|index| found[index].as_i64().unwrap() as i32)
    }
}
