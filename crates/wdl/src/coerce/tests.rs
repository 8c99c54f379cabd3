use std::sync::Arc;

use indexmap::IndexMap;
use proptest::prelude::*;

use super::{Coercion, can_coerce, coerce, unify};
use crate::{
    json::{from_json, to_json},
    types::{EnumType, StructType, Type},
    value::{ObjectValue, Value},
    version::Dialect::{self, Cromwell, Specification},
};

fn point() -> Arc<StructType> {
    let members = vec![("x".to_owned(), Type::Int), ("y".to_owned(), Type::Float.optional())];
    Arc::new(StructType { name: "Point".to_owned(), members })
}

fn color() -> Arc<EnumType> {
    let choices = vec![("Red".to_owned(), Value::string("r")), ("Green".to_owned(), Value::string("g"))];
    Arc::new(EnumType { name: "Color".to_owned(), value_type: Type::String, typed: false, choices })
}

fn object(members: &[(&str, Value)]) -> Value {
    let members = members.iter().map(|(k, v)| (Arc::from(*k), v.clone())).collect();
    Value::Object(Arc::new(ObjectValue { struct_name: None, members }))
}

fn map(entries: &[(Value, Value)]) -> Value {
    Value::Map(Arc::new(entries.to_vec()))
}

fn both(value: &Value, ty: &Type, expected: &Value) {
    for dialect in [Cromwell, Specification] {
        assert_eq!(coerce(value, ty, dialect).as_ref(), Ok(expected), "{dialect:?} {value:?} {ty}");
    }
}

fn neither(value: &Value, ty: &Type, message: &str) {
    for dialect in [Cromwell, Specification] {
        assert_eq!(coerce(value, ty, dialect).as_ref(), Err(&message.to_owned()), "{dialect:?} {value:?} {ty}");
    }
}

#[test]
fn simple_values() {
    both(&Value::Int(3), &Type::Float, &Value::Float(3.0));
    both(&Value::Float(3.0), &Type::Int, &Value::Int(3));
    both(&Value::string("5"), &Type::Int, &Value::Int(5));
    both(&Value::string("5.5"), &Type::Float, &Value::Float(5.5));
    both(&Value::string("TRUE"), &Type::Boolean, &Value::Boolean(true));
    both(&Value::Int(3), &Type::String, &Value::string("3"));
    both(&Value::file("/a"), &Type::String, &Value::string("/a"));
    both(&Value::string("/a"), &Type::File, &Value::file("/a"));
    both(&Value::string("/a/"), &Type::Directory, &Value::Directory(Arc::from("/a")));
    both(&Value::string("/"), &Type::Directory, &Value::Directory(Arc::from("/")));
    both(&Value::None, &Type::Int.optional(), &Value::None);
    both(&Value::Int(3), &Type::Float.optional(), &Value::Float(3.0));
    assert_eq!(coerce(&Value::Float(1.5), &Type::String, Cromwell), Ok(Value::string("1.5")));
    assert_eq!(coerce(&Value::Float(1.5), &Type::String, Specification), Ok(Value::string("1.500000")));
    assert_eq!(coerce(&Value::string(" /a\n"), &Type::File, Cromwell), Ok(Value::file("/a")));
    neither(&Value::Float(3.5), &Type::Int, "`3.5` of type `Float` cannot be used as `Int`");
    neither(&Value::string("x"), &Type::Int, "`\"x\"` of type `String` cannot be used as `Int`");
    neither(&Value::string("3.0"), &Type::Int, "`\"3.0\"` of type `String` cannot be used as `Int`");
    neither(&Value::Int(1), &Type::Boolean, "`1` of type `Int` cannot be used as `Boolean`");
    neither(&Value::Int(1), &Type::File, "`1` of type `Int` cannot be used as `File`");
    neither(&Value::file("/a"), &Type::Directory, "`\"/a\"` of type `File` cannot be used as `Directory`");
    neither(&Value::string(""), &Type::File, "an empty text cannot be used as `File`, it is not a path");
    neither(&Value::None, &Type::Int, "an undefined value cannot be used as `Int`");
    neither(&Value::Float(1e300), &Type::Int, &format!("`{:?}` of type `Float` cannot be used as `Int`", "1.0E300").replace('"', ""));
}

#[test]
fn arrays_and_maps() {
    let numbers = Value::array(vec![Value::Int(1), Value::Int(2)]);
    both(&numbers, &Type::array(Type::Float), &Value::array(vec![Value::Float(1.0), Value::Float(2.0)]));
    let full = |item| Type::Array { item: Arc::new(item), nonempty: true };
    both(&numbers, &full(Type::Int), &numbers);
    neither(&Value::array(vec![]), &full(Type::Int), "an empty array cannot be used as `Array[Int]+`, which needs at least one element");
    let mixed = Value::array(vec![Value::Int(1), Value::string("x")]);
    neither(&mixed, &Type::array(Type::Int), "element 1: `\"x\"` of type `String` cannot be used as `Int`");
    neither(&Value::Int(1), &Type::array(Type::Boolean), "`1` of type `Int` cannot be used as `Array[Boolean]`");

    let pairs = Value::array(vec![Value::Pair(Arc::new((Value::string("a"), Value::Int(1))))]);
    let entries = map(&[(Value::string("a"), Value::Int(1))]);
    both(&entries, &Type::array(Type::pair(Type::String, Type::Int)), &pairs);
    both(&pairs, &Type::map(Type::String, Type::Int), &entries);
    both(&entries, &Type::map(Type::String, Type::Float), &map(&[(Value::string("a"), Value::Float(1.0))]));
    both(&entries, &Type::Object, &object(&[("a", Value::Int(1))]));
    both(&object(&[("a", Value::Int(1))]), &Type::map(Type::String, Type::Int), &entries);
    both(
        &object(&[("Left", Value::Int(1)), ("right", Value::Int(2))]),
        &Type::pair(Type::Int, Type::Float),
        &Value::Pair(Arc::new((Value::Int(1), Value::Float(2.0)))),
    );
    neither(
        &map(&[(Value::string("a"), Value::string("x"))]),
        &Type::map(Type::String, Type::Int),
        "value of key `\"a\"`: `\"x\"` of type `String` cannot be used as `Int`",
    );

    let twice = Value::array(vec![pair(1), pair(2)]);
    assert_eq!(coerce(&twice, &Type::map(Type::String, Type::Int), Cromwell), Ok(map(&[(Value::string("k"), Value::Int(2))])));
    assert_eq!(coerce(&twice, &Type::map(Type::String, Type::Int), Specification), Err("the key `\"k\"` occurs twice".to_owned()));
}

fn pair(n: i64) -> Value {
    Value::Pair(Arc::new((Value::string("k"), Value::Int(n))))
}

#[test]
fn structs() {
    let ty = Type::Struct(point());
    let mut members: IndexMap<Arc<str>, Value> = IndexMap::new();
    members.insert(Arc::from("x"), Value::Int(1));
    members.insert(Arc::from("y"), Value::None);
    let expected = Value::Object(Arc::new(ObjectValue { struct_name: Some(Arc::from("Point")), members }));
    both(&object(&[("x", Value::Int(1))]), &ty, &expected);
    both(&object(&[("y", Value::None), ("x", Value::string("1"))]), &ty, &expected);
    both(&map(&[(Value::string("x"), Value::Int(1))]), &ty, &expected);
    both(&expected, &ty, &expected);
    both(&expected, &Type::Object, &object(&[("x", Value::Int(1)), ("y", Value::None)]));
    neither(&object(&[("y", Value::None)]), &ty, "member `x` of struct `Point` is missing");
    neither(&object(&[("x", Value::string("z"))]), &ty, "member `x` of struct `Point`: `\"z\"` of type `String` cannot be used as `Int`");
    let extra = object(&[("x", Value::Int(1)), ("z", Value::Int(2))]);
    assert_eq!(coerce(&extra, &ty, Cromwell).as_ref(), Ok(&expected));
    assert_eq!(coerce(&extra, &ty, Specification), Err("struct `Point` has no member `z`".to_owned()));
}

#[test]
fn enums() {
    let ty = Type::Enum(color());
    both(&Value::string("Green"), &ty, &Value::Enum(color(), 1));
    both(&Value::Enum(color(), 0), &Type::String, &Value::string("Red"));
    neither(&Value::string("g"), &ty, "`g` is not a choice of enum `Color`, which has `Red`, `Green`");
}

#[test]
fn nothing_is_copied_when_nothing_changes() {
    let lines: Vec<Value> = (0..1000).map(|i| Value::string(i.to_string())).collect();
    let lines = Arc::new(lines);
    let same = coerce(&Value::Array(Arc::clone(&lines)), &Type::array(Type::String.optional()), Specification);
    assert!(matches!(same, Ok(Value::Array(a)) if Arc::ptr_eq(&a, &lines)));
}

fn judge(from: &Type, to: &Type) -> (Coercion, Coercion) {
    (can_coerce(from, to, Cromwell), can_coerce(from, to, Specification))
}

#[test]
fn cromwell_takes_one_value_for_an_array_of_one() {
    let files = Type::array(Type::File);
    let one = Value::string("/a");
    assert_eq!(coerce(&one, &files, Cromwell), Ok(Value::array(vec![Value::file("/a")])));
    assert_eq!(coerce(&one, &files.clone().optional(), Cromwell), Ok(Value::array(vec![Value::file("/a")])));
    assert!(coerce(&one, &files, Specification).is_err());
    assert!(coerce(&Value::None, &files, Cromwell).is_err());
    let entries = map(&[(Value::string("a"), Value::Int(1))]);
    let maps = Type::array(Type::map(Type::String, Type::Int));
    assert_eq!(coerce(&entries, &maps, Cromwell), Ok(Value::array(vec![entries.clone()])));
    assert_eq!(judge(&Type::File, &files), (Coercion::Yes, Coercion::No));
    assert_eq!(judge(&Type::map(Type::String, Type::Int), &maps), (Coercion::Yes, Coercion::No));
    assert_eq!(judge(&Type::array(Type::Int), &Type::Int), (Coercion::No, Coercion::No), "not the other way");
    assert_eq!(unify(&Type::File, &files, Cromwell), None, "nor do both make one type");
}

#[test]
fn static_judgements() {
    use Coercion::{No, Yes};
    let discouraged = |c: Coercion| matches!(c, Coercion::Discouraged(_));
    let full = |item| Type::Array { item: Arc::new(item), nonempty: true };
    for (from, to) in [
        (Type::Int, Type::Float),
        (Type::String, Type::File),
        (Type::Int, Type::Float.optional()),
        (Type::None, Type::Int.optional()),
        (Type::Any, Type::array(Type::Int)),
        (full(Type::Int), Type::array(Type::Float)),
        (Type::Object, Type::Struct(point())),
        (Type::Struct(point()), Type::Object),
        (Type::map(Type::String, Type::Float), Type::map(Type::String, Type::Float.optional())),
        (Type::String, Type::Enum(color())),
        (Type::array(Type::Any), Type::array(Type::File)),
    ] {
        assert_eq!(judge(&from, &to), (Yes, Yes), "{from} to {to}");
    }
    for (from, to) in [
        (Type::Int, Type::String),
        (Type::String, Type::Int),
        (Type::array(Type::String), Type::array(Type::Boolean)),
        (Type::array(Type::Int), full(Type::Int)),
        (Type::map(Type::String, Type::Int), Type::array(Type::pair(Type::String, Type::Int))),
        (Type::File, Type::String),
    ] {
        let (cromwell, specification) = judge(&from, &to);
        assert_eq!(cromwell, Yes, "{from} to {to}");
        assert!(discouraged(specification), "{from} to {to}");
    }
    for (from, to) in [(Type::Float, Type::Int), (Type::Int.optional(), Type::Int)] {
        let (cromwell, specification) = judge(&from, &to);
        assert!(discouraged(cromwell) && discouraged(specification), "{from} to {to}");
    }
    for (from, to) in [
        (Type::Int, Type::Boolean),
        (Type::Int, Type::File),
        (Type::array(Type::Int), Type::Int),
        (Type::Int, Type::array(Type::Boolean)),
        (Type::None, Type::Int),
        (Type::array(Type::Int), Type::array(Type::Boolean)),
        (Type::pair(Type::Int, Type::Int), Type::map(Type::Int, Type::Int)),
    ] {
        assert_eq!(judge(&from, &to), (No, No), "{from} to {to}");
    }
    assert_eq!(judge(&Type::String, &Type::Boolean), (Yes, No));
}

#[test]
fn common_types() {
    let u = |a: &Type, b: &Type, dialect| unify(a, b, dialect).map(|t| t.to_string());
    for dialect in [Cromwell, Specification] {
        for (a, b, expected) in [
            (Type::Int, Type::Float, "Float"),
            (Type::Int, Type::String, "String"),
            (Type::File, Type::String, "String"),
            (Type::None, Type::Int, "Int?"),
            (Type::Int.optional(), Type::Float, "Float?"),
            (Type::array(Type::Int), Type::array(Type::Float.optional()), "Array[Float?]"),
            (Type::pair(Type::Int, Type::Int), Type::pair(Type::Float, Type::Int), "Pair[Float, Int]"),
            (Type::map(Type::String, Type::Int), Type::Struct(point()), "Point"),
            (Type::Any, Type::Int, "Any"),
        ] {
            assert_eq!(u(&a, &b, dialect).as_deref(), Some(expected));
            assert_eq!(u(&b, &a, dialect).as_deref(), Some(expected));
        }
        assert_eq!(u(&Type::Int, &Type::array(Type::Int), dialect), None);
    }
    assert_eq!(u(&Type::Int, &Type::Boolean, Cromwell).as_deref(), Some("String"));
    assert_eq!(u(&Type::Int, &Type::Boolean, Specification), None);
}

#[test]
fn values_know_their_types() {
    let mixed = Value::array(vec![Value::Int(1), Value::None, Value::Float(2.0)]);
    assert_eq!(mixed.type_of().to_string(), "Array[Float?]");
    assert_eq!(Value::array(vec![]).type_of().to_string(), "Array[Any]");
    assert_eq!(map(&[(Value::Int(1), Value::file("/a"))]).type_of().to_string(), "Map[Int, File]");
    assert_eq!(super::short(&Value::string("x".repeat(100))).chars().count(), 61);
}

/// Any type, without `Any` itself.
fn types() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Boolean),
        Just(Type::Int),
        Just(Type::Float),
        Just(Type::String),
        Just(Type::File),
        Just(Type::Directory),
        Just(Type::Struct(point())),
        Just(Type::Enum(color())),
    ];
    let key = prop_oneof![Just(Type::String), Just(Type::Int), Just(Type::Boolean), Just(Type::Float), Just(Type::File)];
    leaf.prop_recursive(3, 12, 2, move |inner| {
        prop_oneof![
            (inner.clone(), any::<bool>()).prop_map(|(t, nonempty)| Type::Array { item: Arc::new(t), nonempty }),
            (key.clone(), inner.clone()).prop_map(|(k, v)| Type::map(k, v)),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| Type::pair(l, r)),
            inner.prop_map(Type::optional),
        ]
    })
}

fn entries(pairs: Vec<(Value, Value)>) -> Value {
    let mut distinct: Vec<(Value, Value)> = Vec::new();
    for (k, v) in pairs {
        if !distinct.iter().any(|(d, _)| *d == k) {
            distinct.push((k, v));
        }
    }
    Value::Map(Arc::new(distinct))
}

/// A value of a type.
fn of(ty: &Type) -> BoxedStrategy<Value> {
    match ty {
        Type::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        Type::Int => any::<i64>().prop_map(Value::Int).boxed(),
        // Few enough digits that any JSON reader gives the same double.
        Type::Float => (-1_000_000i64..1_000_000).prop_map(|n| Value::Float(n as f64 / 64.0)).boxed(),
        Type::String => prop_oneof![".{0,8}", "[0-9]{1,3}", Just("true".to_owned())].prop_map(Value::string).boxed(),
        Type::File => "/[a-z]{1,8}".prop_map(Value::file).boxed(),
        Type::Directory => "/[a-z]{1,8}".prop_map(|p| Value::Directory(Arc::from(p))).boxed(),
        Type::Array { item, nonempty } => prop::collection::vec(of(item), usize::from(*nonempty)..4).prop_map(Value::array).boxed(),
        Type::Map(k, v) => prop::collection::vec((of(k), of(v)), 0..4).prop_map(entries).boxed(),
        Type::Pair(l, r) => (of(l), of(r)).prop_map(|(l, r)| Value::Pair(Arc::new((l, r)))).boxed(),
        Type::Struct(s) => {
            let name: Arc<str> = Arc::from(s.name.as_str());
            let names: Vec<Arc<str>> = s.members.iter().map(|(n, _)| Arc::from(n.as_str())).collect();
            let values: Vec<_> = s.members.iter().map(|(_, t)| of(t)).collect();
            let object = move |values: Vec<Value>| ObjectValue {
                struct_name: Some(Arc::clone(&name)),
                members: names.iter().cloned().zip(values).collect(),
            };
            values.prop_map(move |v| Value::Object(Arc::new(object(v)))).boxed()
        }
        Type::Enum(e) => {
            let e = Arc::clone(e);
            (0..e.choices.len()).prop_map(move |i| Value::Enum(Arc::clone(&e), i)).boxed()
        }
        Type::Optional(t) => prop_oneof![Just(Value::None), of(t)].boxed(),
        Type::Any | Type::None | Type::Object | Type::Call(_) => Just(Value::None).boxed(),
    }
}

fn typed() -> impl Strategy<Value = (Type, Value)> {
    types().prop_flat_map(|t| {
        let values = of(&t);
        (Just(t), values)
    })
}

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![Just(Cromwell), Just(Specification)]
}

proptest! {
    #[test]
    fn a_value_fits_its_own_type((ty, value) in typed(), dialect in dialects()) {
        prop_assert_eq!(coerce(&value, &ty, dialect), Ok(value));
    }

    #[test]
    fn coercing_twice_changes_nothing((_, value) in typed(), ty in types(), dialect in dialects()) {
        if let Ok(once) = coerce(&value, &ty, dialect) {
            prop_assert_eq!(coerce(&once, &ty, dialect), Ok(once));
        }
    }

    #[test]
    fn what_succeeds_is_never_refused_before_the_run((from, value) in typed(), ty in types()) {
        if coerce(&value, &ty, Cromwell).is_ok() {
            let never_has_elements = format!("{value:?}").contains("Array([])") || format!("{value:?}").contains("Map([])");
            let may_be_undefined = format!("{value:?}").contains("None");
            prop_assert!(
                never_has_elements || may_be_undefined || can_coerce(&from, &ty, Cromwell).is_possible(),
                "{} to {}: {:?}", from, ty, value
            );
        }
    }

    #[test]
    fn both_types_convert_to_their_common_type((a, x) in typed(), (b, y) in typed(), dialect in dialects()) {
        if let Some(common) = unify(&a, &b, dialect) {
            prop_assert!(can_coerce(&a, &common, dialect).is_possible(), "{} to {}", a, common);
            prop_assert!(can_coerce(&b, &common, dialect).is_possible(), "{} to {}", b, common);
        }
        let _ = crate::eval::equal(&x, &y);
    }

    #[test]
    fn json_round_trip((ty, value) in typed(), dialect in dialects()) {
        let json = to_json(&value);
        let text = json.to_string();
        let again = serde_json::from_str(&text).expect("what was written is JSON");
        prop_assert_eq!(from_json(&again, &ty, dialect), Ok(value), "{}", text);
    }

    #[test]
    fn any_json_is_taken_or_refused((_, value) in typed(), ty in types(), dialect in dialects()) {
        if let Ok(read) = from_json(&to_json(&value), &ty, dialect) {
            prop_assert_eq!(coerce(&read, &ty, dialect), Ok(read));
        }
    }
}
