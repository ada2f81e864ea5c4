//! The table of types: every type of field on the portal, with one value or several, and every type of property in
//! Notion. How values are read and written, which property is made, and the table in `docs/notion.md` come from here.

use std::fmt::Write;

use locale::{Language, texts};

use super::portal_field::{Codec, PortalField, PortalKind};

/// How a field and a property go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// Values go both ways, by a codec.
    TwoWay(Codec),
    /// The property shows what the field holds; an edit there is put back.
    Shown,
    /// They do not go together, and why.
    Refused(Mismatch),
}

/// Why a field and a property cannot be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The property holds one value, and the field several.
    HoldsOne,
    /// The property holds values of another type.
    OtherType,
    /// Notion itself fills the property.
    FilledByNotion,
    /// The property's type is not known.
    UnknownProperty,
}

impl Mismatch {
    /// In words, to follow "because".
    pub fn words(self, language: Language) -> &'static str {
        language.text(match self {
            Self::HoldsOne => texts::sync::HOLDS_ONE,
            Self::OtherType => texts::sync::OTHER_TYPE,
            Self::FilledByNotion => texts::sync::READ_ONLY_PROPERTY,
            Self::UnknownProperty => texts::sync::UNKNOWN_TYPE,
        })
    }
}

/// The types of fields, as `crm.item.fields` names them. Any other type is [`PortalKind::Other`].
pub const FIELD_TYPES: &[&str] = &[
    "string",
    "email",
    "phone",
    "text",
    "integer",
    "double",
    "money",
    "boolean",
    "char",
    "date",
    "datetime",
    "enumeration",
    "list",
    "crm_status",
    "crm_currency",
    "user",
    "employee",
    "crm_company",
    "crm_contact",
    "crm_deal",
    "crm_lead",
    "crm",
    "file",
    "disk_file",
    "url",
    "address",
    "iblock_element",
    "iblock_section",
    "hlblock",
];

/// The types of properties, as Notion names them.
pub const PROPERTY_TYPES: &[&str] = &[
    "title",
    "rich_text",
    "number",
    "checkbox",
    "date",
    "select",
    "status",
    "multi_select",
    "people",
    "relation",
    "files",
    "url",
    "email",
    "phone_number",
    "formula",
    "rollup",
    "unique_id",
    "created_time",
    "created_by",
    "last_edited_time",
    "last_edited_by",
    "button",
    "verification",
    "place",
];

/// Properties that Notion fills, or that have no value that can be written.
const FILLED_BY_NOTION: &[&str] = &[
    "formula",
    "rollup",
    "unique_id",
    "created_time",
    "created_by",
    "last_edited_time",
    "last_edited_by",
    "button",
    "verification",
    "place",
];

const TEXT: &[&str] = &["title", "rich_text"];
const ADDRESSES: &[&str] = &["url", "email", "phone_number"];

/// The pairs of one kind of field, with one value or with several.
#[derive(Debug, Clone, Copy)]
struct ConversionRow {
    /// The types of properties for it, the usual one first.
    pairs: &'static [(&'static str, Conversion)],
    /// What the documentation adds.
    note: &'static str,
}

const fn both(codec: Codec) -> Conversion {
    Conversion::TwoWay(codec)
}

/// The kinds of fields in the order of the documentation: name, one value, several values.
const ROWS: &[(FieldShape, &str, ConversionRow, Option<ConversionRow>)] = &[
    (
        FieldShape::Line,
        "text (`string`, `email`, `phone`)",
        ConversionRow {
            pairs: &[
                ("rich_text", both(Codec::Line)),
                ("title", both(Codec::Line)),
                ("url", both(Codec::Line)),
                ("email", both(Codec::Line)),
                ("phone_number", both(Codec::Line)),
            ],
            note: "line breaks show as spaces and stay on the portal; only the words that were edited change",
        },
        Some(LINES),
    ),
    (
        FieldShape::FullName,
        "a person's whole name (`fullName`)",
        ConversionRow {
            pairs: &[("rich_text", both(Codec::Line)), ("title", both(Codec::Line))],
            note: "first, second and last name; an edit is written if exactly one of them is different, and refused otherwise",
        },
        None,
    ),
    (
        FieldShape::Rich,
        "text with formatting (`text`, a task's `description`)",
        ConversionRow {
            pairs: &[("rich_text", both(Codec::BbCode)), ("title", both(Codec::BbCode))],
            note: "an edit changes the formatted text only where it was edited, and is refused where that cannot be done without loss",
        },
        Some(ConversionRow {
            pairs: &[("rich_text", Conversion::Shown), ("title", Conversion::Shown)],
            note: "one paragraph a value",
        }),
    ),
    (
        FieldShape::Number,
        "number (`integer`, `double`, sums)",
        ConversionRow {
            pairs: &[("number", both(Codec::Number)), ("rich_text", both(Codec::Lines)), ("title", both(Codec::Lines))],
            note: "exact; a number with more decimal places than the field holds (none for whole numbers, two for sums) is refused; a number with more digits than Notion's numbers hold is not carried over",
        },
        Some(LINES),
    ),
    (
        FieldShape::Money,
        "`money`",
        ConversionRow {
            pairs: &[("number", both(Codec::Amount)), ("rich_text", both(Codec::Lines)), ("title", both(Codec::Lines))],
            note: "in a number the currency stays as it is on the portal; as text it is part of the value: `10 EUR`",
        },
        Some(ConversionRow {
            pairs: LINES.pairs,
            note: "one sum a line with its currency: `10 EUR`; a line without one keeps the currency that it had",
        }),
    ),
    (
        FieldShape::Flag,
        "yes/no (`boolean`, `char`)",
        ConversionRow {
            pairs: &[
                ("checkbox", both(Codec::Checkbox)),
                ("rich_text", both(Codec::Lines)),
                ("title", both(Codec::Lines)),
            ],
            note: "as text: `yes` or `no`",
        },
        Some(LINES),
    ),
    (
        FieldShape::Day,
        "`date`",
        ConversionRow {
            pairs: &[("date", both(Codec::Day)), ("rich_text", both(Codec::Lines)), ("title", both(Codec::Lines))],
            note: "a time that somebody adds in Notion is the day that it is in the settings' time zone; the end of a range moves only if the start passes it",
        },
        Some(LINES),
    ),
    (
        FieldShape::Moment,
        "date with time (`datetime`)",
        ConversionRow {
            pairs: &[("date", both(Codec::Moment)), ("rich_text", both(Codec::Lines)), ("title", both(Codec::Lines))],
            note: "to the minute; the portal keeps the seconds of what was not edited. A day alone means the end of that day. As text: `2026-12-01 15:30` in the settings' time zone",
        },
        Some(LINES),
    ),
    (
        FieldShape::Choice,
        "stage, status, list (`enumeration`, `crm_status`, `crm_currency`)",
        ConversionRow {
            pairs: &[
                ("select", both(Codec::Option)),
                ("status", both(Codec::Option)),
                ("rich_text", Conversion::Shown),
                ("title", Conversion::Shown),
            ],
            note: "by name, whatever its case; an option that is renamed in Notion is known by its id. `values` gives other names; an option is only made with `create_options`",
        },
        Some(ConversionRow {
            pairs: &[
                ("multi_select", both(Codec::Options)),
                ("rich_text", Conversion::Shown),
                ("title", Conversion::Shown),
            ],
            note: "what both sides add is all kept, in the portal's order",
        }),
    ),
    (
        FieldShape::User,
        "person (`user`, `employee`)",
        ConversionRow {
            pairs: &[("people", both(Codec::People)), ("rich_text", Conversion::Shown), ("title", Conversion::Shown)],
            note: "by e-mail or `notion.people`; who has no account is named in the `unmapped` text property",
        },
        Some(ConversionRow {
            pairs: &[("people", both(Codec::People)), ("rich_text", Conversion::Shown), ("title", Conversion::Shown)],
            note: "people without an account in Notion stay on the portal when others are added or removed",
        }),
    ),
    (
        FieldShape::Item,
        "company, contact, deal, lead; what a task belongs to",
        ConversionRow {
            pairs: &[
                ("relation", both(Codec::Relation)),
                ("rich_text", Conversion::Shown),
                ("title", Conversion::Shown),
            ],
            note: "if there is a database of that kind in the settings; else shown as text",
        },
        Some(ConversionRow {
            pairs: &[
                ("relation", both(Codec::Relation)),
                ("rich_text", Conversion::Shown),
                ("title", Conversion::Shown),
            ],
            note: "records without a page stay on the portal when others are added or removed",
        }),
    ),
    (FieldShape::Links, "link to records of several kinds (`crm`)", SHOWN_AS_TEXT, Some(SHOWN_AS_TEXT)),
    (
        FieldShape::Itself,
        "the record itself (`self`)",
        ConversionRow { pairs: &[("relation", Conversion::Shown)], note: "leads from a second database to the first" },
        None,
    ),
    (
        FieldShape::File,
        "file (`file`, `disk_file`)",
        ConversionRow {
            pairs: &[
                ("files", Conversion::Shown),
                ("url", Conversion::Shown),
                ("rich_text", Conversion::Shown),
                ("title", Conversion::Shown),
            ],
            note: "as links, or as names",
        },
        Some(ConversionRow {
            pairs: &[("files", Conversion::Shown), ("rich_text", Conversion::Shown), ("title", Conversion::Shown)],
            note: "as links, or as names",
        }),
    ),
    (
        FieldShape::Url,
        "`url`",
        ConversionRow {
            pairs: &[("url", both(Codec::Line)), ("rich_text", both(Codec::Line)), ("title", both(Codec::Line))],
            note: "",
        },
        Some(LINES),
    ),
    (
        FieldShape::Address,
        "`address`",
        ConversionRow {
            pairs: &[("rich_text", both(Codec::Line)), ("title", both(Codec::Line))],
            note: "without its place on the map; an edit of an address that has a place is refused, because the place would be lost",
        },
        Some(LINES),
    ),
    (
        FieldShape::Other,
        "anything else (`iblock_element`, `iblock_section`, `hlblock`, types that are not known)",
        SHOWN_AS_TEXT,
        Some(SHOWN_AS_TEXT),
    ),
];

const LINES: ConversionRow = ConversionRow {
    pairs: &[("rich_text", both(Codec::Lines)), ("title", both(Codec::Lines))],
    note: "one value a line, in the portal's order; a line that is not such a value is refused with its number, and then nothing is written",
};

const SHOWN_AS_TEXT: ConversionRow = ConversionRow {
    pairs: &[("rich_text", Conversion::Shown), ("title", Conversion::Shown)],
    note: "as text, one value a line",
};

/// A kind of field, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FieldShape {
    Line,
    FullName,
    Rich,
    Number,
    Money,
    Flag,
    Day,
    Moment,
    Choice,
    User,
    Item,
    Links,
    Itself,
    File,
    Url,
    Address,
    Other,
}

fn shape(kind: &PortalKind) -> FieldShape {
    match kind {
        PortalKind::Line => FieldShape::Line,
        PortalKind::FullName => FieldShape::FullName,
        PortalKind::Rich => FieldShape::Rich,
        PortalKind::Number(_) => FieldShape::Number,
        PortalKind::Money => FieldShape::Money,
        PortalKind::Flag => FieldShape::Flag,
        PortalKind::Day => FieldShape::Day,
        PortalKind::Moment => FieldShape::Moment,
        PortalKind::Choice => FieldShape::Choice,
        PortalKind::User => FieldShape::User,
        PortalKind::Item(_) | PortalKind::Binding(_) => FieldShape::Item,
        PortalKind::Links => FieldShape::Links,
        PortalKind::Itself => FieldShape::Itself,
        PortalKind::File => FieldShape::File,
        PortalKind::Url => FieldShape::Url,
        PortalKind::Address => FieldShape::Address,
        PortalKind::Other => FieldShape::Other,
    }
}

fn row(field: &PortalField) -> &'static ConversionRow {
    let shape = shape(&field.kind);
    let (_, _, one, several) = ROWS.iter().find(|(of, ..)| *of == shape).unwrap_or(&ROWS[ROWS.len() - 1]);
    if field.multiple { several.as_ref().unwrap_or(one) } else { one }
}

/// How a field and a property of a type are mapped.
pub fn entry(field: &PortalField, property: &str) -> Conversion {
    let pairs = row(field).pairs;
    if let Some((_, entry)) = pairs.iter().find(|(of, _)| *of == property) {
        return *entry;
    }
    Conversion::Refused(reason(field, property))
}

fn reason(field: &PortalField, property: &str) -> Mismatch {
    if FILLED_BY_NOTION.contains(&property) {
        return Mismatch::FilledByNotion;
    }
    if !PROPERTY_TYPES.contains(&property) {
        return Mismatch::UnknownProperty;
    }
    let one = PortalField { multiple: false, ..field.clone() };
    let fits_one = field.multiple && row(&one).pairs.iter().any(|(of, _)| *of == property);
    if fits_one { Mismatch::HoldsOne } else { Mismatch::OtherType }
}

/// The type of the property that is made for a field.
pub fn usual(field: &PortalField) -> &'static str {
    row(field).pairs[0].0
}

/// The table of `docs/notion.md`.
pub fn markdown() -> String {
    let mut text = String::from("| the portal's field | values | both ways | shown only | |\n|---|---|---|---|---|\n");
    for (_, name, one, several) in ROWS {
        for (count, row) in [("one", Some(one)), ("several", several.as_ref())] {
            let Some(row) = row else { continue };
            let (both, shown, note) = (named(row, true), named(row, false), row.note);
            let _ = writeln!(text, "| {name} | {count} | {both} | {shown} | {note} |");
        }
    }
    text
}

/// The properties of a row that go both ways, or the others.
fn named(row: &ConversionRow, two_way: bool) -> String {
    let ordered = TEXT.iter().rev().chain(ADDRESSES).chain(PROPERTY_TYPES);
    let mut names: Vec<&str> = Vec::new();
    for property in ordered {
        let entry = row.pairs.iter().find(|(of, _)| of == property).map(|(_, entry)| *entry);
        let fits = entry.is_some_and(|entry| matches!(entry, Conversion::TwoWay(_)) == two_way);
        if fits && !names.contains(property) {
            names.push(property);
        }
    }
    names.join(", ")
}

#[cfg(test)]
mod tests;
