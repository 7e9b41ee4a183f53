//! The part of Python's pickle format that PyTorch's files need (`pickletools` of CPython documents the opcodes).
//!
//! Nothing is imported or called: a class is its name, a call its function and arguments. Values that no state dict
//! needs (numbers with a fraction, bytes, lists, sets) are read over. Memory is bounded: numbers and texts are places in
//! the pickle, containers lie in one list and refer to each other by index, and the number of values is limited.

use std::collections::HashMap;

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// A value that is not needed.
    Other,
    /// A whole number or a text: the place of its opcode.
    At(u32),
    /// A value that holds others: the index of its node.
    Node(u32),
}

/// A value that holds others.
#[derive(Debug)]
enum Node {
    Tuple(Box<[Value]>),
    Dict(Vec<(Value, Value)>),
    /// A class or function: the place of its opcode, which its module and its name follow.
    Global(u32),
    /// A class or function by its module and name.
    Class(Value, Value),
    /// What a class or function makes of its arguments.
    Call(Value, Value),
    /// An object that the pickle's context holds, by its id.
    Persistent(Value),
}

/// What values cost of the limit, in units of about 8 bytes.
const NODE: usize = 4;
const MEMO: usize = 2;

/// A pickle's values.
#[derive(Debug)]
pub(super) struct Pickle<'a> {
    bytes: &'a [u8],
    nodes: Vec<Node>,
    top: Value,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle whose values take at most about `limit` times 8 bytes.
    ///
    /// # Errors
    /// Returns what was found instead.
    pub(super) fn read(bytes: &'a [u8], limit: usize) -> Result<Self, String> {
        if u32::try_from(bytes.len()).is_err() {
            return Err("a pickle of more than 4 GiB".to_owned());
        }
        let mut reader = Reader {
            bytes,
            at: 0,
            left: limit,
            nodes: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        while reader.step()? {}
        let top = reader.pop()?;
        Ok(Self { bytes, nodes: reader.nodes, top })
    }

    /// Returns the pickled value.
    pub(super) fn top(&self) -> Value {
        self.top
    }

    pub(super) fn int(&self, value: Value) -> Option<i64> {
        let Value::At(at) = value else { return None };
        match scalar(self.bytes, at as usize)?.0 {
            Scalar::Int(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn text(&self, value: Value) -> Option<&'a str> {
        let Value::At(at) = value else { return None };
        match scalar(self.bytes, at as usize)?.0 {
            Scalar::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub(super) fn dict(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.node(value)? {
            Node::Dict(items) => Some(items),
            _ => None,
        }
    }

    /// Returns the module and the name of a class or function.
    pub(super) fn class(&self, value: Value) -> Option<(&'a str, &'a str)> {
        match *self.node(value)? {
            Node::Global(at) => global(self.bytes, at as usize),
            Node::Class(module, name) => Some((self.text(module)?, self.text(name)?)),
            _ => None,
        }
    }

    /// Returns function and arguments of a call.
    pub(super) fn call(&self, value: Value) -> Option<(Value, Value)> {
        match *self.node(value)? {
            Node::Call(function, arguments) => Some((function, arguments)),
            _ => None,
        }
    }

    /// Returns the id of an object of the pickle's context.
    pub(super) fn persistent(&self, value: Value) -> Option<Value> {
        match *self.node(value)? {
            Node::Persistent(id) => Some(id),
            _ => None,
        }
    }

    fn node(&self, value: Value) -> Option<&Node> {
        let Value::Node(index) = value else { return None };
        self.nodes.get(index as usize)
    }
}

/// A value without parts.
enum Scalar<'a> {
    Other,
    Int(i64),
    Text(&'a [u8]),
}

/// Reads the value without parts whose opcode lies at `at`, with its length, or `None` if it is something else or cut.
fn scalar(bytes: &[u8], at: usize) -> Option<(Scalar<'_>, usize)> {
    let (opcode, rest) = bytes.get(at..)?.split_first()?;
    let sized = |width: usize| -> Option<(&[u8], usize)> {
        let mut len = [0; 8];
        len[..width].copy_from_slice(rest.get(..width)?);
        let len = usize::try_from(u64::from_le_bytes(len)).ok()?;
        Some((rest[width..].get(..len)?, 1 + width + len))
    };
    Some(match opcode {
        b'N' | 0x88 | 0x89 | b']' | 0x8f => (Scalar::Other, 1),
        b'G' => (Scalar::Other, 1 + rest.get(..8)?.len()),
        b'K' => (Scalar::Int((*rest.first()?).into()), 2),
        b'M' => (Scalar::Int(u16::from_le_bytes(*rest.first_chunk()?).into()), 3),
        b'J' => (Scalar::Int(i32::from_le_bytes(*rest.first_chunk()?).into()), 5),
        0x8a | 0x8b => {
            let (digits, len) = sized(if *opcode == 0x8a { 1 } else { 4 })?;
            (long(digits).map_or(Scalar::Other, Scalar::Int), len)
        }
        b'X' | 0x8c | 0x8d => {
            let (text, len) = sized(match opcode {
                b'X' => 4,
                0x8c => 1,
                _ => 8,
            })?;
            (Scalar::Text(text), len)
        }
        b'U' | b'C' => (Scalar::Other, sized(1)?.1),
        b'T' | b'B' => (Scalar::Other, sized(4)?.1),
        0x8e | 0x96 => (Scalar::Other, sized(8)?.1),
        _ => return None,
    })
}

/// Reads a whole number in two's complement, or `None` if it takes more than 8 bytes.
fn long(digits: &[u8]) -> Option<i64> {
    let sign = if digits.last().is_some_and(|&digit| digit >= 0x80) { 0xff } else { 0 };
    let mut whole = [sign; 8];
    whole.get_mut(..digits.len())?.copy_from_slice(digits);
    Some(i64::from_le_bytes(whole))
}

/// Returns module and name after an opcode at `at`, each of which a newline ends.
fn global(bytes: &[u8], at: usize) -> Option<(&str, &str)> {
    let mut lines = bytes.get(at + 1..)?.splitn(3, |&byte| byte == b'\n');
    let (module, name, _) = (lines.next()?, lines.next()?, lines.next()?);
    Some((std::str::from_utf8(module).ok()?, std::str::from_utf8(name).ok()?))
}

/// State of the pickle machine.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// What is left of the limit.
    left: usize,
    nodes: Vec<Node>,
    stack: Vec<Value>,
    /// Lengths of the stack at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
}

impl Reader<'_> {
    /// Runs one opcode; returns whether there are more.
    fn step(&mut self) -> Result<bool, String> {
        let start = self.at;
        if let Some((value, len)) = scalar(self.bytes, start) {
            self.at += len;
            let is_needed = !matches!(value, Scalar::Other);
            self.push(if is_needed { Value::At(start as u32) } else { Value::Other })?;
            return Ok(true);
        }
        let [opcode] = self.take()?;
        match opcode {
            b'.' => return Ok(false),
            // Protocol and frames.
            0x80 => {
                self.take::<1>()?;
            }
            0x95 => {
                self.take::<8>()?;
            }
            b'(' => {
                self.spend(1)?;
                self.marks.push(self.stack.len());
            }
            // Containers.
            b')' => self.node(Node::Tuple(Box::default()))?,
            b'}' => self.node(Node::Dict(Vec::new()))?,
            b't' => {
                let items = self.pop_to_mark()?;
                self.node(Node::Tuple(items.into()))?;
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let from = self.stack.len().checked_sub(count).ok_or_else(|| self.damaged())?;
                self.above_mark(from)?;
                let items = self.stack.split_off(from);
                self.node(Node::Tuple(items.into()))?;
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                self.node(Node::Dict(pairs(&items)))?;
            }
            b'l' | 0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Other)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.extend(&[(key, value)])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.extend(&pairs(&items))?;
            }
            // Classes and calls.
            b'c' => {
                let (module, name) = global(self.bytes, start).ok_or_else(|| self.damaged())?;
                self.at += module.len() + name.len() + 2;
                self.node(Node::Global(start as u32))?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                self.node(Node::Class(module, name))?;
            }
            b'R' | 0x81 => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.called(function, arguments)?;
            }
            0x92 => {
                let (_, arguments, function) = (self.pop()?, self.pop()?, self.pop()?);
                self.called(function, arguments)?;
            }
            b'Q' => {
                let id = self.pop()?;
                self.node(Node::Persistent(id))?;
            }
            // The memo.
            b'q' => {
                let [index] = self.take()?;
                self.put(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.take()?);
                self.put(index)?;
            }
            0x94 => self.put(self.memo.len() as u32)?,
            b'h' => {
                let [index] = self.take()?;
                self.get(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.take()?);
                self.get(index)?;
            }
            // Attributes of an object and items of lists and sets are not needed.
            b'b' | b'a' | b'0' => {
                self.pop()?;
            }
            b'e' | 0x90 | b'1' => {
                self.pop_to_mark()?;
            }
            b'2' => {
                let value = self.last()?;
                self.push(value)?;
            }
            other => return Err(format!("a damaged pickle, or one of another kind (opcode {other:#04x})")),
        }
        Ok(true)
    }

    fn damaged(&self) -> String {
        format!("a damaged pickle (byte {})", self.at)
    }

    /// Takes the next `N` bytes.
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let taken = *taken.ok_or_else(|| self.damaged())?;
        self.at += N;
        Ok(taken)
    }

    /// Takes `units` off the limit.
    fn spend(&mut self, units: usize) -> Result<(), String> {
        let left = self.left.checked_sub(units);
        self.left = left.ok_or("a pickle with far more values than its file has room for")?;
        Ok(())
    }

    fn push(&mut self, value: Value) -> Result<(), String> {
        self.spend(1)?;
        self.stack.push(value);
        Ok(())
    }

    fn node(&mut self, node: Node) -> Result<(), String> {
        self.spend(NODE)?;
        let index = u32::try_from(self.nodes.len()).map_err(|_| self.damaged())?;
        self.nodes.push(node);
        self.push(Value::Node(index))
    }

    fn last(&self) -> Result<Value, String> {
        self.stack.last().copied().ok_or_else(|| self.damaged())
    }

    /// Fails if a mark lies above this length of the stack.
    fn above_mark(&self, len: usize) -> Result<(), String> {
        if self.marks.last().is_some_and(|&mark| mark > len) { Err(self.damaged()) } else { Ok(()) }
    }

    fn pop(&mut self) -> Result<Value, String> {
        let value = self.stack.pop().ok_or_else(|| self.damaged())?;
        self.above_mark(self.stack.len())?;
        Ok(value)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged())?;
        Ok(self.stack.split_off(mark))
    }

    /// Adds items to the dictionary on the stack. Items of other objects are not needed.
    fn extend(&mut self, items: &[(Value, Value)]) -> Result<(), String> {
        if let Value::Node(index) = self.last()?
            && let Some(Node::Dict(dict)) = self.nodes.get_mut(index as usize)
        {
            dict.extend_from_slice(items);
        }
        Ok(())
    }

    /// Pushes what a function makes of its arguments: a dictionary for the dictionaries of `collections`.
    fn called(&mut self, function: Value, arguments: Value) -> Result<(), String> {
        let class = match function {
            Value::Node(index) => match self.nodes.get(index as usize) {
                Some(&Node::Global(at)) => global(self.bytes, at as usize),
                Some(&Node::Class(module, name)) => self.text(module).zip(self.text(name)),
                _ => None,
            },
            _ => None,
        };
        let is_dict = matches!(class, Some(("collections", "OrderedDict" | "defaultdict")));
        self.node(if is_dict { Node::Dict(Vec::new()) } else { Node::Call(function, arguments) })
    }

    fn text(&self, value: Value) -> Option<&str> {
        let Value::At(at) = value else { return None };
        match scalar(self.bytes, at as usize)?.0 {
            Scalar::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    fn put(&mut self, index: u32) -> Result<(), String> {
        self.spend(MEMO)?;
        let value = self.last()?;
        self.memo.insert(index, value);
        Ok(())
    }

    fn get(&mut self, index: u32) -> Result<(), String> {
        let value = self.memo.get(&index).copied().ok_or_else(|| self.damaged())?;
        self.push(value)
    }
}

fn pairs(items: &[Value]) -> Vec<(Value, Value)> {
    items.as_chunks::<2>().0.iter().map(|&[key, value]| (key, value)).collect()
}
