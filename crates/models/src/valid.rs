//! Configurations that are in range.

/// Defines the type of a valid configuration, which its `check` returns. It dereferences to the configuration.
macro_rules! valid {
    ($(#[$outer:meta])* pub struct $valid:ident($config:ident);) => {
        $(#[$outer])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $valid($config);

        impl std::ops::Deref for $valid {
            type Target = $config;

            fn deref(&self) -> &$config {
                &self.0
            }
        }
    };
}
