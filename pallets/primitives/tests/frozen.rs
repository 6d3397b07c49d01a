//! The shapes of what is signed, written down so that nobody changes one by chance.
//!
//! A type whose bytes change needs a new version in its domain (`src/domain.rs`): otherwise a
//! signature over the old bytes could be read as one over the new.

use mica_primitives::{CooperativeClose, Heartbeat, PeerClaim, Redeem, Voucher, domain};
use scale_info::{
    MetaType, PortableRegistry, Registry, TypeDef, TypeInfo, form::PortableForm, meta_type,
};

/// The names, types and order of everything that is encoded for a type; no comments, no paths.
fn shape<T: TypeInfo + 'static>() -> String {
    let mut registry = Registry::new();
    let whole: MetaType = meta_type::<T>();
    let id = registry.register_type(&whole).id;
    describe(&PortableRegistry::from(registry), id)
}

fn describe(types: &PortableRegistry, id: u32) -> String {
    let of = |id: u32| describe(types, id);
    match &types.resolve(id).expect("registered").type_def {
        TypeDef::Composite(composite) => fields(types, &composite.fields),
        TypeDef::Variant(variant) => {
            let variants = variant.variants.iter().map(|variant| {
                format!("{}#{}{}", variant.name, variant.index, fields(types, &variant.fields))
            });
            format!("<{}>", variants.collect::<Vec<_>>().join("|"))
        }
        TypeDef::Sequence(sequence) => format!("[{}]", of(sequence.type_param.id)),
        TypeDef::Array(array) => format!("[{};{}]", of(array.type_param.id), array.len),
        TypeDef::Tuple(tuple) => {
            let parts = tuple.fields.iter().map(|field| of(field.id));
            format!("({})", parts.collect::<Vec<_>>().join(","))
        }
        TypeDef::Primitive(primitive) => format!("{primitive:?}").to_lowercase(),
        TypeDef::Compact(compact) => format!("compact {}", of(compact.type_param.id)),
        TypeDef::BitSequence(_) => "bits".to_owned(),
    }
}

fn fields(types: &PortableRegistry, fields: &[scale_info::Field<PortableForm>]) -> String {
    let parts = fields.iter().map(|field| {
        let name = field.name.as_ref().map(|name| format!("{name}:")).unwrap_or_default();
        format!("{name}{}", describe(types, field.ty.id))
    });
    format!("({})", parts.collect::<Vec<_>>().join(","))
}

const VOUCHER: &str = "(channel:([u8;32]),lane:u16,seq:u64,cumulative:u128,receipts_root:[u8;32],receipts:u64,expires:u32,\
                       tick:<None#0()|Some#1((anchor:[u8;32],unit:u128,max:u16))>,\
                       lock:<None#0()|Some#1((hash:[u8;32],amount:u128,expires:u32))>,bounty:u128)";

#[test]
fn what_is_signed_has_these_bytes() {
    assert_eq!(shape::<Voucher>(), VOUCHER);
    assert_eq!(
        shape::<Redeem>(),
        format!(
            "(voucher:{VOUCHER},signature:[u8;64],tick:<None#0()|Some#1((n:u16,preimage:[u8;32]))>,\
             preimage:<None#0()|Some#1([u8;32])>)"
        )
    );
    assert_eq!(shape::<CooperativeClose>(), "(channel:([u8;32]),total:u128,expires:u32)");
    assert_eq!(shape::<PeerClaim<[u8; 32]>>(), "(account:[u8;32])");
    assert_eq!(shape::<Heartbeat<[u8; 32]>>(), "(worker:[u8;32],at:u32)");
}

#[test]
fn a_voucher_is_signed_in_its_second_version_and_all_else_in_its_first() {
    let prefix =
        |text: &str| mica_primitives::domain::blake2_256(&[text.as_bytes(), &[9; 32]].concat());
    assert_eq!(domain("voucher", &[9; 32]), prefix("mica/voucher/v2"));
    for tag in ["close", "receipt", "channel", "peer", "heartbeat"] {
        assert_eq!(domain(tag, &[9; 32]), prefix(&format!("mica/{tag}/v1")));
    }
}
