//! Goes through a parsed rule: what it names, whether its work is bounded, and where the clock must be checked. Pure.

use std::collections::BTreeMap;
use std::mem;

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};

use super::names::{FUNCTIONS, STAGES};
use super::{Complaint, MAX_DEPTH, TICK};
use crate::api::Stage;

/// How many comprehensions may stand within each other.
pub const MAX_NESTED: usize = 2;
/// How often variables may be named: a list can hold a copy for each.
pub const MAX_NAMES: usize = 24;

/// What was found of a rule so far.
pub struct Walk {
    known: Vec<&'static str>,
    /// Names that comprehensions bind around the place that is looked at.
    bound: Vec<String>,
    nested: usize,
    names: usize,
    /// What it says of the answer, by its text.
    pub named: BTreeMap<Box<str>, IdedExpr>,
}

impl Walk {
    pub fn new(known: Vec<&'static str>) -> Self {
        Walk { known, bound: Vec::new(), nested: 0, names: 0, named: BTreeMap::new() }
    }

    pub fn visit(&mut self, node: &IdedExpr, depth: u16) -> Result<(), Complaint> {
        // A comprehension, its condition and its step are levels that nobody has written.
        if depth > MAX_DEPTH * 2 {
            return Err(Complaint::TooDeep);
        }
        if let Some(path) = self.path(node) {
            self.named.entry(path.into()).or_insert_with(|| node.clone());
        }
        let depth = depth + 1;
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => {
                self.stage(select)?;
                self.visit(&select.operand, depth)
            }
            Expr::Call(call) => {
                self.call(call)?;
                call.target
                    .iter()
                    .map(|target| &**target)
                    .chain(&call.args)
                    .try_for_each(|part| self.visit(part, depth))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.visit(element, depth)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key, depth)?;
                    self.visit(&entry.value, depth)
                }
                EntryExpr::StructField(_) => Err(Complaint::Message),
            }),
            Expr::Struct(_) => Err(Complaint::Message),
            Expr::Comprehension(part) => {
                self.visit(&part.iter_range, depth)?;
                // Of the macros, map alone adds to its list what is not an item of the one it goes through.
                if adds_other_than(&part.loop_step, &part.iter_var) {
                    return Err(Complaint::Map);
                }
                self.nested += 1;
                if self.nested > MAX_NESTED {
                    return Err(Complaint::TooNested);
                }
                self.bound.extend([part.iter_var.clone(), part.accu_var.clone()]);
                [&part.accu_init, &part.loop_cond, &part.loop_step, &part.result]
                    .into_iter()
                    .try_for_each(|part| self.visit(part, depth))?;
                self.bound.truncate(self.bound.len() - 2);
                self.nested -= 1;
                Ok(())
            }
        }
    }

    fn variable(&mut self, name: &str) -> Result<(), Complaint> {
        if !name.starts_with('@') {
            self.names += 1;
        }
        if self.names > MAX_NAMES {
            return Err(Complaint::TooManyNames(self.names));
        }
        let known = self.known.contains(&name) || self.bound.iter().any(|bound| bound == name);
        if known { Ok(()) } else { Err(Complaint::Variable(name.to_owned())) }
    }

    fn stage(&self, select: &SelectExpr) -> Result<(), Complaint> {
        let of_stages = matches!(&select.operand.expr, Expr::Ident(name) if name == STAGES)
            && !self.bound.iter().any(|bound| bound == STAGES);
        let known = Stage::ALL.iter().any(|stage| stage.as_str() == select.field);
        if of_stages && !known { Err(Complaint::Stage(select.field.clone())) } else { Ok(()) }
    }

    fn call(&self, call: &CallExpr) -> Result<(), Complaint> {
        let name = call.func_name.as_str();
        let operator = name.starts_with(|first: char| !first.is_alphabetic());
        if !operator && !FUNCTIONS.contains(&name) {
            return Err(if name == operators::MAP { Complaint::Map } else { Complaint::Function(name.to_owned()) });
        }
        if name == "matches"
            && let Some(IdedExpr { expr: Expr::Literal(LiteralValue::String(pattern)), .. }) = call.args.last()
            && let Err(error) = regex::Regex::new(pattern.inner())
        {
            return Err(Complaint::Pattern(pattern.inner().to_owned(), error.to_string()));
        }
        Ok(())
    }

    /// The text of a chain of fields that begins with a variable, such as json.items\[0\].name.
    fn path(&self, node: &IdedExpr) -> Option<String> {
        match &node.expr {
            Expr::Ident(name) => {
                (self.known.contains(&name.as_str()) && !self.bound.contains(name)).then(|| name.clone())
            }
            Expr::Select(select) => Some(format!("{}.{}", self.path(&select.operand)?, select.field)),
            Expr::Call(call) if call.func_name == operators::INDEX => {
                let [of, index] = call.args.as_slice() else { return None };
                let index = match &index.expr {
                    Expr::Literal(LiteralValue::String(key)) => format!("'{}'", key.inner()),
                    Expr::Literal(LiteralValue::Int(index)) => index.inner().to_string(),
                    _ => return None,
                };
                Some(format!("{}[{index}]", self.path(of)?))
            }
            _ => None,
        }
    }
}

/// Whether a step of a comprehension adds to its list anything but the item it looks at.
fn adds_other_than(step: &IdedExpr, item: &str) -> bool {
    let Expr::Call(call) = &step.expr else { return false };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (operators::CONDITIONAL, [_, step, _]) => adds_other_than(step, item),
        (operators::ADD, [_, IdedExpr { expr: Expr::List(list), .. }]) => {
            list.elements.iter().any(|element| !matches!(&element.expr, Expr::Ident(name) if name == item))
        }
        _ => false,
    }
}

/// The same expression, in which each comprehension asks [`TICK`] before each of its steps.
pub fn ticking(mut node: IdedExpr) -> IdedExpr {
    let inner = |part: &mut IdedExpr| *part = ticking(mem::take(part));
    match &mut node.expr {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => {}
        Expr::Select(select) => inner(&mut select.operand),
        Expr::Call(call) => call.target.iter_mut().map(|target| &mut **target).chain(&mut call.args).for_each(inner),
        Expr::List(list) => list.elements.iter_mut().for_each(inner),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| match &mut entry.expr {
            EntryExpr::MapEntry(entry) => [&mut entry.key, &mut entry.value].into_iter().for_each(inner),
            EntryExpr::StructField(_) => {}
        }),
        Expr::Comprehension(part) => {
            let part = &mut **part;
            [&mut part.iter_range, &mut part.accu_init, &mut part.loop_cond, &mut part.loop_step, &mut part.result]
                .into_iter()
                .for_each(inner);
            let tick = call(TICK, Vec::new());
            let never = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Boolean(false.into())) };
            part.loop_cond = call(operators::CONDITIONAL, vec![tick, mem::take(&mut part.loop_cond), never]);
        }
    }
    node
}

fn call(name: &str, args: Vec<IdedExpr>) -> IdedExpr {
    IdedExpr { id: 0, expr: Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }) }
}
