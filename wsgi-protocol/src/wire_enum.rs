//! Enums that travel as a number: one list of variants makes the type and the way back from the number.

/// `wire_enum! { /// doc  pub enum Name: u8 { /// doc  Variant = 1, … } }`: the enum, and `from_number`, which knows no other
/// number than those that are written there. With `, else Variant` before the list any other number stands for that one.
macro_rules! wire_enum {
    ($(#[$meta:meta])* pub enum $name:ident: $number:ident {
        $($(#[$variant_meta:meta])* $variant:ident = $value:expr,)+
    }) => {
        $crate::wire_enum::wire_enum! {@type $(#[$meta])* $name: $number, $($(#[$variant_meta])* $variant = $value,)+}

        impl $name {
            /// The variant that a number stands for.
            #[must_use]
            #[inline]
            pub fn from_number(number: $number) -> Option<Self> {
                $(if number == Self::$variant as $number {
                    return Some(Self::$variant);
                })+
                None
            }
        }
    };
    ($(#[$meta:meta])* pub enum $name:ident: $number:ident, else $other:ident {
        $($(#[$variant_meta:meta])* $variant:ident = $value:expr,)+
    }) => {
        $crate::wire_enum::wire_enum! {@type $(#[$meta])* $name: $number, $($(#[$variant_meta])* $variant = $value,)+}

        impl $name {
            #[doc = concat!("The variant that a number stands for; an unknown one stands for `", stringify!($other), "`.")]
            #[must_use]
            #[inline]
            pub fn from_number(number: $number) -> Self {
                $(if number == Self::$variant as $number {
                    return Self::$variant;
                })+
                Self::$other
            }
        }
    };
    (@type $(#[$meta:meta])* $name:ident: $number:ident,
        $($(#[$variant_meta:meta])* $variant:ident = $value:expr,)+
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr($number)]
        pub enum $name {
            $($(#[$variant_meta])* $variant = $value,)+
        }

        impl $name {
            /// Every variant, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name of the variant.
            #[must_use]
            pub fn variant(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)+
                }
            }
        }
    };
}

pub(crate) use wire_enum;

#[cfg(test)]
mod tests {
    wire_enum! {
        /// Of these tests.
        pub enum StrictSample: u8 {
            /// A number.
            First = 1,
            /// A letter.
            Letter = b'L',
        }
    }

    wire_enum! {
        /// Of these tests.
        pub enum LenientSample: i32, else Nothing {
            /// What is unknown counts as this.
            Nothing = 0,
            /// A number.
            Less = -1,
        }
    }

    #[test]
    fn numbers_come_back_as_what_they_were() {
        for variant in StrictSample::ALL {
            assert_eq!(StrictSample::from_number(*variant as u8), Some(*variant));
        }
        assert_eq!((StrictSample::from_number(0), StrictSample::from_number(2)), (None, None));
        assert_eq!(StrictSample::ALL, [StrictSample::First, StrictSample::Letter]);
        assert_eq!(StrictSample::Letter.variant(), "Letter");
    }

    #[test]
    fn an_unknown_number_stands_for_the_one_that_is_named() {
        let found = [-2, -1, 0, 1].map(LenientSample::from_number);
        use LenientSample::{Less, Nothing};
        assert_eq!(found, [Nothing, Less, Nothing, Nothing]);
        assert_eq!(
            LenientSample::ALL.iter().map(|one| one.variant()).collect::<Vec<_>>(),
            ["Nothing", "Less"]
        );
    }
}
