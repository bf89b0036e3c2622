//! Starts nodes and waits: `cargo run -p helenus-node --example node -- [--listen 127.0.0.1:9042] [--nodes 3] [--memory MIB] [--null]`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut builder = helenus_node::Node::builder();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        builder = match argument.as_str() {
            "--listen" => builder.listen(value()?.parse()?),
            "--nodes" => builder.nodes(value()?.parse()?),
            "--memory" => builder.memory_limit_bytes(value()?.parse::<usize>()? << 20),
            "--null" => builder.null(true),
            other => return Err(format!("unknown argument {other}").into()),
        };
    }
    let node = builder.start()?;
    for address in node.addresses() {
        println!("{address}");
    }
    loop {
        std::thread::park();
    }
}
