//! A worker on a small machine holds its own layers and little else.
#![cfg(target_os = "linux")]

mod support;

use mica_engine::{GgufFile, Input, LayerRange, Model, Output, Threads, Want};
use support::{Q8_0, shapes::Shape};

/// What a worker may take beside weights and cache, bytes.
const BESIDES: usize = 60 << 20;

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim_matches([':', ' ', '\t'])
        .strip_suffix(" kB")
        .and_then(|number| number.parse::<usize>().ok())
        .expect("a number")
        << 10
}

#[test]
fn half_of_a_model_takes_half_of_its_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    // Layers as wide as those of a model of 1.1 billion weights.
    let shape = Shape {
        layers: 8,
        hidden: 2048,
        heads: 32,
        kv_heads: 4,
        head_size: 64,
        feed_forward: 5632,
        ..Shape::small("llama")
    };
    std::fs::write(&path, shape.write_large(|_, _| Q8_0).bytes()).expect("written");
    let size = std::fs::metadata(&path).expect("there").len() as usize;
    let before = status("VmRSS");
    let file = GgufFile::open(&path).expect("a model");
    let model =
        Model::load(&file, LayerRange { first: 0, end: 4 }, Threads::new(2)).expect("loads");
    let mut cache = model.new_cache(256).expect("room");
    let tokens: Vec<u32> = (0..200).map(|i| i * 37 % 320).collect();
    assert!(matches!(
        model.forward(&mut cache, Input::Tokens(&tokens), Want::Nothing),
        Ok(Output::Hidden(_))
    ));
    let allowed = model.weight_bytes() + cache.bytes() + BESIDES;
    assert!(
        model.weight_bytes() < size * 6 / 10 && model.weight_bytes() > size * 4 / 10,
        "half of {size}"
    );
    assert!(allowed < size, "the bound says something");
    let taken = status("VmRSS").saturating_sub(before);
    assert!(taken <= allowed, "{} MB resident, {} MB allowed", taken >> 20, allowed >> 20);
    assert!(taken >= model.weight_bytes() * 9 / 10, "what is held is resident");
}
