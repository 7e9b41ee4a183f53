//! Training promises: it learns, it resumes to the same bytes, and threads do not change them.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use candle_core::Device;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use relevox_models::{
    Error, ResNetConfig, checkpoint,
    train::{ClassifierTrainer, Examples, Phase, Schedule, Step, TrainConfig},
};
use serde_json::json;
use std::{error, fs, ops::ControlFlow, path::Path, process::Command};

const SHAPE: [usize; 4] = [2, 12, 13, 14];

/// Noise, in which positive examples have a bright ball somewhere.
struct Balls {
    count: usize,
    seed: u64,
}

impl Examples for Balls {
    fn len(&self) -> usize {
        self.count
    }

    fn shape(&self) -> [usize; 4] {
        SHAPE
    }

    fn label(&self, index: usize) -> bool {
        index % 2 == 1
    }

    fn image(
        &self,
        index: usize,
        epoch: Option<usize>,
    ) -> Result<Vec<f32>, Box<dyn error::Error + Send + Sync>> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed + index as u64);
        let centre: [usize; 3] = std::array::from_fn(|axis| rng.random_range(3..SHAPE[axis + 1] - 3));
        let positive = self.label(index);
        rng.set_stream(epoch.unwrap_or(0) as u64);
        let mut image = Vec::new();
        for _ in 0..SHAPE[0] {
            for z in 0..SHAPE[1] {
                for y in 0..SHAPE[2] {
                    for x in 0..SHAPE[3] {
                        let near = [z, y, x].iter().zip(centre).all(|(&a, b)| a.abs_diff(b) < 3);
                        let ball = if positive && near { 0.8 } else { 0.0 };
                        image.push(rng.random_range(0.0..0.3f32) + ball);
                    }
                }
            }
        }
        Ok(image)
    }
}

fn network() -> ResNetConfig {
    ResNetConfig { depth: 10, in_channels: 2, width: 2, ..ResNetConfig::default() }
}

fn config() -> TrainConfig {
    let schedule = Schedule::Cosine;
    TrainConfig { epochs: 4, batch: 3, learning_rate: 0.01, schedule, seed: 5, ..TrainConfig::default() }
}

fn new(config: &TrainConfig) -> ClassifierTrainer {
    ClassifierTrainer::new(&network(), config, json!({ "downsample": 2, "crop": [24, 26, 28] }), &Device::Cpu)
        .unwrap()
}

fn run(trainer: &mut ClassifierTrainer, epochs: usize) {
    let (train, validation) = (Balls { count: 10, seed: 0 }, Balls { count: 5, seed: 1000 });
    for _ in 0..epochs {
        trainer.run_epoch(&train, &validation, &mut |_| ControlFlow::Continue(())).unwrap();
    }
}

/// The bytes that four epochs leave.
fn straight(folder: &Path) -> [Vec<u8>; 2] {
    let mut trainer = new(&config());
    run(&mut trainer, 4);
    files(&trainer, folder, "straight")
}

fn files(trainer: &ClassifierTrainer, folder: &Path, name: &str) -> [Vec<u8>; 2] {
    let paths = [folder.join(format!("{name}.safetensors")), folder.join(format!("{name}-last.safetensors"))];
    trainer.save_weights(&paths[0]).unwrap();
    trainer.save_state(&paths[1]).unwrap();
    paths.map(|path| fs::read(path).unwrap())
}

#[test]
fn resuming_gives_the_bytes_of_an_uninterrupted_run() {
    let folder = tempfile::tempdir().unwrap();
    let last = folder.path().join("last.safetensors");
    let mut trainer = new(&config());
    run(&mut trainer, 2);
    trainer.save_state(&last).unwrap();
    let mut resumed = ClassifierTrainer::resume(&last, &config(), &Device::Cpu).unwrap();
    assert_eq!((resumed.epoch(), resumed.history()), (2, trainer.history()));
    run(&mut resumed, 2);
    assert!(resumed.is_finished());
    assert!(straight(folder.path()) == files(&resumed, folder.path(), "resumed"), "the bytes differ");
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains(".part")), "{names:?}");
}

/// Run by `threads_do_not_change_the_bytes` in a process of its own; does nothing otherwise.
#[test]
fn train_for_another_process() {
    if let Ok(folder) = std::env::var("RELEVOX_TEST_TRAIN_INTO") {
        straight(Path::new(&folder));
    }
}

#[test]
fn threads_do_not_change_the_bytes() {
    let results = ["1", "2", "3"].map(|threads| {
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "train_for_another_process"])
            .env("RAYON_NUM_THREADS", threads)
            .env("RELEVOX_TEST_TRAIN_INTO", folder.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        ["straight", "straight-last"]
            .map(|name| fs::read(folder.path().join(format!("{name}.safetensors"))).unwrap())
    });
    assert!(results[0] == results[1] && results[1] == results[2], "the bytes differ");
}

#[test]
fn training_learns_to_see() {
    let config = TrainConfig { epochs: 24, batch: 6, ..config() };
    let mut trainer = new(&config);
    let (train, validation) = (Balls { count: 36, seed: 0 }, Balls { count: 20, seed: 1000 });
    while !trainer.is_finished() {
        trainer.run_epoch(&train, &validation, &mut |_| ControlFlow::Continue(())).unwrap();
    }
    let (first, last) = (&trainer.history()[0], trainer.history().last().unwrap());
    assert!(last.train_loss < 0.5 * first.train_loss, "{} then {}", first.train_loss, last.train_loss);
    assert!(last.validation_accuracy >= 0.9, "{}", last.validation_accuracy);
    assert_eq!(last.validation_logits.len(), 20);
}

#[test]
fn progress_hears_every_batch_and_may_break_off() {
    let (train, validation) = (Balls { count: 10, seed: 0 }, Balls { count: 5, seed: 1000 });
    let mut steps: Vec<Step> = Vec::new();
    let mut trainer = new(&config());
    let mut hear = |step: Step| {
        steps.push(step);
        ControlFlow::Continue(())
    };
    let record = trainer.run_epoch(&train, &validation, &mut hear).unwrap();
    let count = |phase| steps.iter().filter(|step| step.phase == phase).count();
    assert_eq!((count(Phase::Train), count(Phase::Validate)), (4, 2));
    let last = steps.last().unwrap();
    assert_eq!((last.batch, last.batches), (2, 2));
    assert!((last.loss - record.validation_loss).abs() < 1e-12);

    let mut breaking = |step: Step| {
        if step.batch == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let broken = trainer.run_epoch(&train, &validation, &mut breaking);
    assert!(matches!(broken, Err(Error::Interrupted { epoch: 2 })), "{broken:?}");
}

#[test]
fn a_checkpoint_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("epoch-001.safetensors");
    let mut trainer = new(&config());
    run(&mut trainer, 1);
    trainer.save_weights(&path).unwrap();
    let trained = checkpoint::load_resnet(&path, &Default::default(), &Device::Cpu).unwrap();
    let metadata = trained.metadata.unwrap();
    assert_eq!((trained.config, metadata.epoch), (network(), 1));
    assert_eq!(metadata.preprocess, json!({ "downsample": 2, "crop": [24, 26, 28] }));
    let image = Balls { count: 1, seed: 3 }.image(0, None).unwrap();
    let [c, d, h, w] = SHAPE;
    let x = candle_core::Tensor::from_vec(image, (1, c, d, h, w), &Device::Cpu).unwrap();
    let logit = |network: &relevox_models::ResNet3d| {
        network.forward_t(&x, false).unwrap().to_vec2::<f32>().unwrap()[0][0]
    };
    assert_eq!(logit(&trained.network).to_bits(), logit(trainer.network()).to_bits());
}

#[test]
fn states_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let message = |path: &Path, config: &TrainConfig| {
        ClassifierTrainer::resume(path, config, &Device::Cpu).unwrap_err().to_string()
    };
    assert!(message(&path, &config()).contains("could not read"));
    fs::write(&path, b"not a tensor").unwrap();
    assert!(message(&path, &config()).contains("expected a safetensors file"));
    let trainer = new(&config());
    trainer.save_weights(&path).unwrap();
    assert!(message(&path, &config()).contains("expected a state of training"));
    trainer.save_state(&path).unwrap();
    assert!(message(&path, &TrainConfig { seed: 6, ..config() }).contains("seed: 6"));
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 10]).unwrap();
    assert!(message(&path, &config()).contains("expected a safetensors file"));
    // A header that claims 2^60 bytes.
    fs::write(&path, [&(1u64 << 60).to_le_bytes()[..], b"{}"].concat()).unwrap();
    assert!(message(&path, &config()).contains("expected a safetensors file"));
}

#[test]
fn examples_that_do_not_fit_are_refused() {
    struct Short;
    impl Examples for Short {
        fn len(&self) -> usize {
            3
        }
        fn shape(&self) -> [usize; 4] {
            SHAPE
        }
        fn label(&self, _: usize) -> bool {
            true
        }
        fn image(
            &self,
            index: usize,
            _: Option<usize>,
        ) -> Result<Vec<f32>, Box<dyn error::Error + Send + Sync>> {
            if index == 2 { Err("case C: no such file".into()) } else { Ok(vec![0.0; 10]) }
        }
    }
    let mut go_on = |_: Step| ControlFlow::Continue(());
    let none = Balls { count: 0, seed: 0 };
    let refused = |trainer: &mut ClassifierTrainer,
                   train: &dyn Examples,
                   go_on: &mut dyn FnMut(Step) -> ControlFlow<()>| {
        trainer.run_epoch(train, &Balls { count: 2, seed: 0 }, go_on).unwrap_err().to_string()
    };
    let mut trainer = new(&config());
    assert!(refused(&mut trainer, &none, &mut go_on).contains("found 0 and 2"));
    let message = refused(&mut trainer, &Short, &mut go_on);
    assert!(message.contains("case C") || message.contains("4368 values"), "{message}");
}
