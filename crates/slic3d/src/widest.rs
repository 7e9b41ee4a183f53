//! Work compiled for the widest instruction set of the processor.

/// Work that [`on_widest`] compiles for several instruction sets.
///
/// `run` and all functions to be compiled with it must be `#[inline(always)]`. Rust never contracts operations, so that results do
/// not depend on the instruction set.
pub(crate) trait Work {
    type Output;

    fn run(self) -> Self::Output;
}

/// Runs the work with the widest instruction set that the processor has.
pub(crate) fn on_widest<W: Work>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn wide<W: Work>(work: W) -> W::Output {
            work.run()
        }
        #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw,avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn wider<W: Work>(work: W) -> W::Output {
            work.run()
        }
        let has_wide = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt");
        let has_wider = has_wide
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512bw");
        if has_wider {
            // SAFETY: the processor has the features.
            #[expect(unsafe_code, reason = "the portable form, compiled for wider vectors")]
            return unsafe { wider(work) };
        }
        if has_wide {
            // SAFETY: the processor has the features.
            #[expect(unsafe_code, reason = "the portable form, compiled for wider vectors")]
            return unsafe { wide(work) };
        }
    }
    work.run()
}
