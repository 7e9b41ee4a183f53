//! ONNX files from code: the few messages that tests need, in the protobuf wire format.

/// A message under construction.
#[derive(Clone, Default)]
pub struct Message(Vec<u8>);

impl Message {
    pub fn int(mut self, field: u8, value: i64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(value as u64);
        self
    }

    pub fn bytes(mut self, field: u8, value: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    pub fn message(self, field: u8, value: Message) -> Self {
        self.bytes(field, &value.0)
    }

    fn float(mut self, field: u8, value: f32) -> Self {
        self.varint(u64::from(field) << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// An attribute.
pub enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Float(f32),
    Text(&'a str),
}

/// Returns a tensor of single precision.
pub fn tensor(name: &str, shape: &[i64], values: &[f32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    shaped(name, shape, 1).bytes(9, &raw)
}

/// Returns a tensor of integers.
pub fn ints(name: &str, shape: &[i64], values: &[i64]) -> Message {
    values.iter().fold(shaped(name, shape, 7), |tensor, &value| tensor.int(7, value))
}

/// Returns a tensor without elements.
pub fn shaped(name: &str, shape: &[i64], kind: i64) -> Message {
    let tensor = shape.iter().fold(Message::default(), |tensor, &size| tensor.int(1, size));
    tensor.int(2, kind).bytes(8, name.as_bytes())
}

/// A network with the input `image`, which is `[1, c, 4, 5, 6]` unless it is changed, and the output `logits`.
#[derive(Clone)]
pub struct Network {
    pub opset: i64,
    pub shape: Vec<i64>,
    pub kind: i64,
    pub nodes: Vec<Message>,
    pub constants: Vec<Message>,
    pub inputs: Vec<&'static str>,
    pub outputs: Vec<&'static str>,
    pub metadata: Vec<(&'static str, &'static str)>,
}

/// Size of the image.
pub const SIZE: [usize; 3] = [4, 5, 6];

impl Network {
    pub fn new(channels: i64) -> Self {
        Self {
            opset: 17,
            shape: vec![1, channels, 4, 5, 6],
            kind: 1,
            nodes: vec![],
            constants: vec![],
            inputs: vec!["image"],
            outputs: vec!["logits"],
            metadata: vec![],
        }
    }

    pub fn node(self, operator: &str, inputs: &[&str], output: &str) -> Self {
        self.node_with(operator, inputs, output, &[])
    }

    pub fn node_with(
        mut self,
        operator: &str,
        inputs: &[&str],
        output: &str,
        attributes: &[(&str, Attribute<'_>)],
    ) -> Self {
        let mut node = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input.as_bytes()));
        node = node.bytes(2, output.as_bytes()).bytes(3, format!("{operator} {output}").as_bytes());
        node = node.bytes(4, operator.as_bytes());
        for (name, attribute) in attributes {
            let message = Message::default().bytes(1, name.as_bytes());
            node = node.message(
                5,
                match attribute {
                    Attribute::Int(value) => message.int(3, *value).int(20, 2),
                    Attribute::Ints(values) => {
                        values.iter().fold(message, |m, &value| m.int(8, value)).int(20, 7)
                    }
                    Attribute::Float(value) => message.float(2, *value).int(20, 1),
                    Attribute::Text(value) => message.bytes(4, value.as_bytes()).int(20, 3),
                },
            );
        }
        self.nodes.push(node);
        self
    }

    pub fn constant(mut self, tensor: Message) -> Self {
        self.constants.push(tensor);
        self
    }

    /// Returns the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut graph =
            self.nodes.iter().fold(Message::default(), |graph, node| graph.message(1, node.clone()));
        graph = self.constants.iter().fold(graph, |graph, tensor| graph.message(5, tensor.clone()));
        for name in &self.inputs {
            graph = graph.message(11, self.port(name, &self.shape));
        }
        for name in &self.outputs {
            graph = graph.message(12, Message::default().bytes(1, name.as_bytes()));
        }
        let mut model = Message::default().int(1, 8);
        for (key, value) in &self.metadata {
            model = model.message(14, Message::default().bytes(1, key.as_bytes()).bytes(2, value.as_bytes()));
        }
        model.message(7, graph).message(8, Message::default().int(2, self.opset)).0
    }

    fn port(&self, name: &str, shape: &[i64]) -> Message {
        let axis = |size: i64| match size {
            -1 => Message::default().bytes(2, b"dynamic"),
            size => Message::default().int(1, size),
        };
        let shape = shape.iter().fold(Message::default(), |shape, &size| shape.message(1, axis(size)));
        let tensor = Message::default().int(1, self.kind).message(2, shape);
        Message::default().bytes(1, name.as_bytes()).message(2, Message::default().message(1, tensor))
    }
}
