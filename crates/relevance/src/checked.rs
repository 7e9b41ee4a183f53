//! The valid settings of an explainer.

/// Defines the type of an explainer's valid settings, which its `check` returns, and makes the unchecked settings an
/// explainer that validates them first.
macro_rules! checked {
    ($(#[$outer:meta])* pub struct $valid:ident($settings:ident);) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $valid($settings);

        impl $valid {
            /// Returns the settings.
            pub fn settings(&self) -> &$settings {
                &self.0
            }
        }

        impl $crate::Explainer for $settings {
            fn explain(
                &self,
                inputs: &$crate::Inputs<'_>,
                progress: $crate::Progress<'_>,
            ) -> Result<$crate::Attribution, $crate::Error> {
                self.check()?.explain(inputs, progress)
            }
        }
    };
}
