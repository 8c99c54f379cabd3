//! From the rows of a sample sheet to the inputs of a workflow: rows become structs of one input, or inputs of a run for
//! each sample.

use std::{collections::HashMap, path::Path};

use batchyard_wdl::{
    inputs::{InputSpec, parse_argument},
    types::{StructType, Type},
};
use serde_json::{Map, Value as Json};

use super::sheet::{Row, Sheet, name_of};

/// Columns that name what files are named after.
const NAMES: [&str; 3] = ["sample", "sample_name", "read_group"];
/// What separates several values in a cell.
const IN_CELL: char = ';';

/// Names of columns for members or inputs that are called otherwise: `name` → `column`.
pub type Renamed = HashMap<String, String>;

/// Inputs of one run.
#[derive(Debug, Default)]
pub struct Filled {
    /// The sample, where a run is for one.
    pub sample: String,
    /// Values by full names.
    pub inputs: Map<String, Json>,
    /// Lists to be written as files, by the full name of the input that gets the path.
    pub lists: Vec<(String, Vec<String>)>,
}

/// Fills inputs from a sheet; collects everything that is wrong with it.
pub struct Filling<'a> {
    sheet: &'a Sheet,
    specs: &'a [InputSpec],
    renamed: &'a Renamed,
    /// What is wrong, with lines.
    pub problems: Vec<String>,
    used: Vec<bool>,
}

impl<'a> Filling<'a> {
    /// Nothing is filled yet.
    pub fn new(sheet: &'a Sheet, specs: &'a [InputSpec], renamed: &'a Renamed) -> Self {
        let mut filling = Filling { sheet, specs, renamed, problems: Vec::new(), used: vec![false; sheet.columns.len()] };
        filling.look_at_names();
        filling
    }

    /// Columns that went nowhere.
    pub fn unused(&self) -> Vec<&str> {
        self.sheet.columns.iter().zip(&self.used).filter(|(_, used)| !**used).map(|(name, _)| name.as_str()).collect()
    }

    /// Inputs that are lists of structs whose necessary members all have a column.
    pub fn targets(&self) -> Vec<(&'a InputSpec, &'a StructType)> {
        let structs = self.specs.iter().filter_map(|spec| Some((spec, struct_of(&spec.ty)?)));
        let fits = |of: &StructType| {
            let necessary = of.members.iter().filter(|(_, ty)| !matches!(ty, Type::Optional(_)));
            of.members.iter().any(|(name, _)| self.column(name).is_some()) && necessary.clone().all(|(name, _)| self.column(name).is_some())
        };
        structs.filter(|(_, of)| fits(of)).collect()
    }

    /// Every row a struct of this input.
    pub fn as_structs(&mut self, of: &StructType) -> Json {
        let columns: Vec<_> = of.members.iter().map(|(name, ty)| (name, ty, self.column(name))).collect();
        columns.iter().filter_map(|(_, _, column)| *column).for_each(|column| self.mark(column));
        let mut files: HashMap<String, u64> = HashMap::new();
        let mut rows = Vec::new();
        for row in &self.sheet.rows {
            let mut members = Map::new();
            for (name, ty, column) in &columns {
                let Some(column) = *column else { continue };
                let value = self.value(row, column, ty);
                if is_file(ty)
                    && let Some(path) = value.as_str()
                    && let Some(before) = files.insert(path.to_owned(), row.line)
                {
                    self.problems.push(format!("line {}: the file `{path}` is named on line {before} too", row.line));
                }
                if !value.is_null() {
                    members.insert((*name).clone(), value);
                }
            }
            rows.push(Json::Object(members));
        }
        Json::Array(rows)
    }

    /// Inputs of a run for each sample. Inputs in `lists` get a file with a line for each row.
    pub fn per_sample(&mut self, lists: &Renamed) -> Vec<Filled> {
        let Some(sample) = self.sheet.column("sample").or_else(|| self.sheet.column("sample_name")) else {
            self.problems.push("there is no column `sample`, and the workflow has no input that a row could be a member of".into());
            return Vec::new();
        };
        let mut groups: Vec<(&str, Vec<&Row>)> = Vec::new();
        for row in &self.sheet.rows {
            let name = row.cell(sample);
            match groups.iter_mut().find(|(known, _)| *known == name) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((name, vec![row])),
            }
        }
        let named = self.specs.iter().filter_map(|spec| {
            let short = short(&spec.name);
            let column = self.column(short).or_else(|| (short == "sample_name" || short == "sample").then_some(sample))?;
            (!lists.contains_key(short)).then_some((spec, column))
        });
        let named: Vec<_> = named.collect();
        let mut listed = Vec::new();
        for (input, column) in lists {
            match (self.specs.iter().find(|spec| short(&spec.name) == input), self.sheet.column(column)) {
                (Some(spec), Some(column)) => listed.push((spec, column)),
                (None, _) => self.problems.push(format!("`--list {input}={column}`: the workflow has no input `{input}`")),
                (_, None) => self.problems.push(format!("`--list {input}={column}`: the sheet has no column `{column}`")),
            }
        }
        self.mark(sample);
        named.iter().chain(&listed).for_each(|(_, column)| self.mark(*column));
        let one = |filling: &mut Self, (sample, rows): &(&str, Vec<&Row>)| {
            let mut filled = Filled { sample: (*sample).to_owned(), ..Filled::default() };
            for (spec, column) in &named {
                filled.inputs.insert(spec.name.clone(), filling.of_rows(rows, *column, &spec.ty));
            }
            for (spec, column) in &listed {
                let lines = rows.iter().map(|row| filling.path(row, row.cell(*column))).collect();
                filled.lists.push((spec.name.clone(), lines));
            }
            filled
        };
        groups.iter().map(|group| one(self, group)).collect()
    }

    /// A list collects the rows; anything else must be the same in all.
    fn of_rows(&mut self, rows: &[&Row], column: usize, ty: &Type) -> Json {
        if let Type::Array { item, .. } = ty.required() {
            return Json::Array(rows.iter().map(|row| self.value(row, column, item)).collect());
        }
        let Some((first, others)) = rows.split_first() else { return Json::Null };
        if let Some(other) = others.iter().find(|row| row.cell(column) != first.cell(column)) {
            let name = self.sheet.columns.get(column).map_or("", String::as_str);
            self.problems.push(format!("lines {} and {} are of one sample and differ in `{name}`", first.line, other.line));
        }
        self.value(first, column, ty)
    }

    fn value(&mut self, row: &Row, column: usize, ty: &Type) -> Json {
        let text = row.cell(column);
        if text.is_empty() {
            if !matches!(ty, Type::Optional(_)) {
                let name = self.sheet.columns.get(column).map_or("", String::as_str);
                self.problems.push(format!("line {}: `{name}` is empty", row.line));
            }
            return Json::Null;
        }
        match ty.required() {
            Type::Array { item, .. } => Json::Array(text.split(IN_CELL).map(|part| self.text_value(row, part.trim(), item)).collect()),
            ty => self.text_value(row, text, ty),
        }
    }

    fn text_value(&mut self, row: &Row, text: &str, ty: &Type) -> Json {
        if is_file(ty) { Json::String(self.path(row, text)) } else { parse_argument(text, ty) }
    }

    /// A path counts from the sheet's folder; what lies elsewhere is not looked for.
    fn path(&mut self, row: &Row, text: &str) -> String {
        if text.contains("://") {
            return text.to_owned();
        }
        let path = std::path::absolute(self.sheet.folder().join(text)).unwrap_or_else(|_| Path::new(text).into());
        if !path.exists() {
            self.problems.push(format!("line {}: there is no file `{}`", row.line, path.display()));
        }
        path.to_string_lossy().into_owned()
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.sheet.column(self.renamed.get(name).map_or(name, String::as_str))
    }

    fn mark(&mut self, column: usize) {
        if let Some(used) = self.used.get_mut(column) {
            *used = true;
        }
    }

    /// Samples and read groups become names of files and stand in headers: what would break those is told before hours of work.
    fn look_at_names(&mut self) {
        for name in NAMES {
            let Some(column) = self.sheet.column(name) else { continue };
            for row in &self.sheet.rows {
                let text = row.cell(column);
                if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control() || "/\\:\"'$`*?".contains(*c)) {
                    self.problems.push(format!("line {}: {name} `{text}` must not hold {bad:?}: it becomes part of file names", row.line));
                } else if text.starts_with(['-', '.']) {
                    self.problems.push(format!("line {}: {name} `{text}` must begin with a letter or a digit", row.line));
                }
            }
        }
        let (Some(sample), Some(group)) = (self.sheet.column("sample"), self.sheet.column("read_group")) else { return };
        let mut seen: HashMap<&str, &Row> = HashMap::new();
        for row in self.sheet.rows.iter().filter(|row| !row.cell(group).is_empty()) {
            if let Some(before) = seen.insert(row.cell(group), row) {
                let (name, lines) = (row.cell(group), (before.line, row.line));
                let whose = if before.cell(sample) == row.cell(sample) { "twice in one sample" } else { "in two samples" };
                self.problems.push(format!("lines {} and {}: read group `{name}` {whose}", lines.0, lines.1));
            }
        }
    }
}

/// The struct that an input is a list of.
pub fn struct_of(ty: &Type) -> Option<&StructType> {
    match ty.required() {
        Type::Array { item, .. } => match item.required() {
            Type::Struct(of) => Some(of),
            _ => None,
        },
        _ => None,
    }
}

/// The name of an input without what it belongs to.
pub fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// `NAME=COLUMN` arguments.
pub fn pairs(arguments: &[String]) -> anyhow::Result<Renamed> {
    let pair = |argument: &String| match argument.split_once('=') {
        Some((name, column)) if !name.is_empty() && !column.is_empty() => Ok((short(name).to_owned(), name_of(column))),
        _ => anyhow::bail!("`{argument}` must be NAME=COLUMN"),
    };
    arguments.iter().map(pair).collect()
}

fn is_file(ty: &Type) -> bool {
    matches!(ty.required(), Type::File | Type::Directory)
}
