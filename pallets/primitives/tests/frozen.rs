//! The form of everything that is signed off chain, held to a file.
//!
//! Vouchers, receipts and measurements are signed today and shown to a runtime of tomorrow. A field
//! that is added, moved or widened makes every signature that is still out worthless, and nothing
//! else would notice. So the form of each type lies in `frozen.txt`. Whoever means the change runs
//! the test with `UPDATE_FROZEN=1`, and says in the changelog what becomes of the old signatures.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use mica_primitives::{CooperativeClose, Heartbeat, Leaf, PeerClaim, Progress, Voucher, domain};
use scale_info::{MetaType, PortableRegistry, Registry, TypeDef, form::PortableForm, meta_type};

/// What is signed, by the tag that it is signed under.
fn signed() -> [(&'static str, MetaType); 6] {
    [
        ("close", meta_type::<CooperativeClose>()),
        ("heartbeat", meta_type::<Heartbeat<[u8; 32]>>()),
        ("peer", meta_type::<PeerClaim<[u8; 32]>>()),
        ("progress", meta_type::<Progress>()),
        ("receipt", meta_type::<Leaf>()),
        ("voucher", meta_type::<Voucher>()),
    ]
}

/// The form of a type: its fields or variants in order, each with its type.
fn form(types: &PortableRegistry, id: u32) -> String {
    let ty = types.resolve(id).expect("registered");
    let fields = |fields: &[scale_info::Field<PortableForm>]| {
        let parts = fields.iter().map(|field| {
            let of = name(types, field.ty.id);
            field.name.as_ref().map_or(of.clone(), |name| format!("{name}: {of}"))
        });
        parts.collect::<Vec<_>>().join(", ")
    };
    match &ty.type_def {
        TypeDef::Composite(composite) => fields(&composite.fields),
        TypeDef::Variant(variants) => {
            let parts = variants
                .variants
                .iter()
                .map(|v| format!("{} = {}({})", v.name, v.index, fields(&v.fields)));
            parts.collect::<Vec<_>>().join(" | ")
        }
        _ => name(types, id),
    }
}

/// How a type is called where it is a field's.
fn name(types: &PortableRegistry, id: u32) -> String {
    let ty = types.resolve(id).expect("registered");
    match &ty.type_def {
        TypeDef::Array(array) => format!("[{}; {}]", name(types, array.type_param.id), array.len),
        TypeDef::Sequence(sequence) => format!("[{}]", name(types, sequence.type_param.id)),
        TypeDef::Primitive(primitive) => format!("{primitive:?}").to_lowercase(),
        TypeDef::Compact(compact) => format!("compact {}", name(types, compact.type_param.id)),
        TypeDef::Tuple(tuple) => {
            let parts = tuple.fields.iter().map(|field| name(types, field.id));
            format!("({})", parts.collect::<Vec<_>>().join(", "))
        }
        _ => {
            let last = ty.path.segments.last().cloned().unwrap_or_default();
            let of = ty.type_params.iter().filter_map(|param| param.ty);
            let of = of.map(|of| name(types, of.id)).collect::<Vec<_>>().join(", ");
            if of.is_empty() { last.to_string() } else { format!("{last}<{of}>") }
        }
    }
}

#[test]
fn what_is_signed_keeps_its_form() {
    let mut registry = Registry::new();
    let signed = signed().map(|(tag, ty)| (tag, registry.register_type(&ty).id));
    let types: PortableRegistry = registry.into();
    let mut text = String::new();
    for (tag, id) in signed {
        writeln!(text, "{tag} = {} {{ {} }}", name(&types, id), form(&types, id))
            .expect("a string");
    }
    let named = types.types.iter().filter(|ty| !ty.ty.path.segments.is_empty());
    let parts: BTreeMap<_, _> =
        named.map(|ty| (name(&types, ty.id), form(&types, ty.id))).collect();
    for (name, form) in parts {
        writeln!(text, "{name}: {form}").expect("a string");
    }

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen.txt");
    if std::env::var_os("UPDATE_FROZEN").is_some() {
        std::fs::write(&file, &text).expect("the source is writable");
    }
    let frozen = std::fs::read_to_string(&file).expect("tests/frozen.txt");
    assert_eq!(
        text, frozen,
        "the form of something that is signed has changed: signatures that are out are worth \
         nothing to a runtime with this change. If that is meant: UPDATE_FROZEN=1"
    );
}

#[test]
fn vouchers_and_progress_are_signed_in_their_second_version_and_all_else_in_its_first() {
    let prefix =
        |text: &str| mica_primitives::domain::blake2_256(&[text.as_bytes(), &[9; 32]].concat());
    for tag in ["voucher", "progress"] {
        assert_eq!(domain(tag, &[9; 32]), prefix(&format!("mica/{tag}/v2")));
    }
    for tag in ["close", "receipt", "channel", "peer", "heartbeat"] {
        assert_eq!(domain(tag, &[9; 32]), prefix(&format!("mica/{tag}/v1")));
    }
}
