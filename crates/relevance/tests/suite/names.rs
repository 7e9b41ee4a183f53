//! Enums that are chosen by name.
use relevox_relevance::{Border, Link, ScoreKind, Sign, Weighting};

#[test]
fn names_go_both_ways() {
    macro_rules! check {
        ($($type:ident),+) => {$(
            for value in $type::ALL {
                assert_eq!(value.to_string().parse::<$type>().unwrap(), *value);
                assert!(!value.label().is_empty());
            }
            assert!("nothing".parse::<$type>().unwrap_err().to_string().ends_with("found `nothing`"));
        )+};
    }
    check!(Border, Link, ScoreKind, Sign, Weighting);
    let found = "abs".parse::<Sign>().unwrap_err().to_string();
    assert_eq!(found, "sign: expected one of magnitude, positive, negative, found `abs`");
}
