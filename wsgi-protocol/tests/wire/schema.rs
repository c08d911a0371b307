//! What a type looks like to its encoder: the names and types of its fields, written down by a deserializer that makes values
//! up.

use serde::Deserialize;
use serde::de::value::{Error, U32Deserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// More variants than any type has.
const MOST_VARIANTS: usize = 40;

/// The shape of `T`, in which each pass shows the next variant of the types that have several.
pub fn shape<T: for<'de> Deserialize<'de>>() -> String {
    let mut all = String::new();
    for variant in 0..MOST_VARIANTS {
        let mut text = String::new();
        let tracer = &mut SchemaTracer { text: &mut text, variant };
        if let Err(error) = T::deserialize(tracer) {
            text.push_str(&format!("!{error}"));
        }
        if !all.ends_with(&text) {
            all.push_str(&text);
        }
    }
    all
}

struct SchemaTracer<'t> {
    text: &'t mut String,
    variant: usize,
}

/// Elements by name: the fields of a structure, or of something that has none.
struct TracedFields<'a, 't> {
    tracer: &'a mut SchemaTracer<'t>,
    names: std::vec::IntoIter<String>,
}

impl<'de> SeqAccess<'de> for TracedFields<'_, '_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(name) = self.names.next() else { return Ok(None) };
        self.tracer.text.push_str(&format!("{name}:"));
        seed.deserialize(&mut *self.tracer).map(Some)
    }
}

impl<'de> MapAccess<'de> for TracedFields<'_, '_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(&mut *self.tracer)
    }
}

impl SchemaTracer<'_> {
    fn fields<'de, V: Visitor<'de>>(
        &mut self,
        name: &str,
        names: Vec<String>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.text.push_str(&format!("{name}{{"));
        let names = names.into_iter();
        let value = visitor.visit_seq(TracedFields { tracer: self, names });
        self.text.push('}');
        value
    }
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Methods for types without parts.
macro_rules! plain {
    ($($method:ident $visit:ident $value:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.text.push_str(concat!(stringify!($visit), ","));
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for &mut SchemaTracer<'_> {
    type Error = Error;

    plain! {
        deserialize_bool visit_bool false;
        deserialize_i8 visit_i8 1;
        deserialize_i16 visit_i16 1;
        deserialize_i32 visit_i32 1;
        deserialize_i64 visit_i64 1;
        deserialize_u8 visit_u8 1;
        deserialize_u16 visit_u16 1;
        deserialize_u32 visit_u32 1;
        deserialize_u64 visit_u64 1;
        deserialize_f32 visit_f32 1.0;
        deserialize_f64 visit_f64 1.0;
        deserialize_char visit_char 'x';
        deserialize_str visit_str "x";
        deserialize_string visit_str "x";
        deserialize_bytes visit_bytes b"x";
        deserialize_byte_buf visit_bytes b"x";
        deserialize_identifier visit_str "x";
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text.push_str("unit,");
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text.push_str("option ");
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.fields("list", numbered(1), visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Error> {
        self.fields("tuple", numbered(count), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields("tuple", numbered(count), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text.push_str("map ");
        visitor.visit_map(TracedFields { tracer: self, names: numbered(1).into_iter() })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(name, named(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        assert!(variants.len() <= MOST_VARIANTS, "{name}");
        let chosen = self.variant.min(variants.len() - 1);
        self.text.push_str(&format!("{name}::{}={chosen} ", variants[chosen]));
        visitor.visit_enum(TracedVariant { tracer: self, chosen: chosen as u32 })
    }
}

struct TracedVariant<'a, 't> {
    tracer: &'a mut SchemaTracer<'t>,
    chosen: u32,
}

impl<'de> EnumAccess<'de> for TracedVariant<'_, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let number: U32Deserializer<Error> = self.chosen.into_deserializer();
        Ok((seed.deserialize(number)?, self))
    }
}

impl<'de> VariantAccess<'de> for TracedVariant<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.tracer)
    }

    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Error> {
        self.tracer.deserialize_tuple(count, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.tracer.fields("", named(fields), visitor)
    }
}
