//! Instruction sets against each other.

use super::*;

struct TransposeOf<'a>(&'a [f32]);
impl Kernel for TransposeOf<'_> {
    type Output = (usize, Vec<f32>);
    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> Self::Output {
        let mut to = vec![0.0; V::LANES * V::LANES];
        // SAFETY: source rows are 20 apart and there are at least LANES of them.
        unsafe { V::transpose(self.0.as_ptr(), 20, to.as_mut_ptr(), V::LANES) };
        (V::LANES, to)
    }
}

#[test]
fn an_instruction_set_in_use_is_not_exchanged() {
    let current = Isa::current();
    assert_eq!(current.choose(), Ok(()));
    for other in Isa::available().into_iter().filter(|isa| *isa != current) {
        assert_eq!(other.choose(), Err(current));
    }
    assert_eq!(Isa::current(), current);
    assert!(Isa::portable().is_none_or(|isa| isa.name() == "AVX2"));
}

#[test]
fn transposes_on_every_instruction_set() {
    let from: Vec<f32> = (0..20 * 20).map(|i| i as f32).collect();
    for isa in Isa::available() {
        let (lanes, to) = isa.run(TransposeOf(&from));
        assert_eq!(lanes, isa.lanes());
        for (i, &value) in to.iter().enumerate() {
            assert_eq!(value, from[(i % lanes) * 20 + i / lanes], "{isa:?}");
        }
    }
}
