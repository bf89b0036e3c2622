//! A page of 16 MB on its way from the socket to the program's rows: it is in memory once.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use helenus::reactor::Mio;
use helenus::value::write_values;
use helenus::{ColumnSpec, ColumnType, Session, Version};
use helenus_core::protocol::response::{Message, ResultMessage, Rows, RowsMetadata};
use helenus_core::protocol::{Flags, Header, Opcode, envelope, segment};
use helenus_fuzz::memory::peak;

const ROWS: usize = 16;
const TEXT_BYTES: usize = 1 << 20;

/// Beside the page: its first quarter while that is moved to where the rest has room, which counts twice here though most
/// allocators move pages of memory and not their bytes; a receive buffer, and what a request takes.
const ALLOWANCE: usize = ROWS * TEXT_BYTES / 4 + (256 << 10);

#[test]
fn a_page_of_16_mb_is_in_memory_once() {
    for version in [Version::V4, Version::V5] {
        let session = Session::builder()
            .contact_point(serve(version).to_string())
            .protocol_version(version)
            .reactor(Mio::on_caller())
            .connect()
            .wait()
            .unwrap();
        // All that the session does is done, and counted, on this thread.
        let (read, held) = peak(|| {
            let response = session.query("SELECT page", ()).wait().unwrap();
            response.rows::<(&str,)>().unwrap().map(|row| row.unwrap().0.len()).sum::<usize>()
        });
        assert_eq!(read, ROWS * TEXT_BYTES);
        println!("{version}: {read} bytes of text were read with at most {held} bytes held");
        assert!(held < read + ALLOWANCE, "{version}: {read} bytes were read, and {held} held meanwhile");
        session.close().wait().unwrap();
    }
}

/// A server that answers every QUERY by the page.
fn serve(version: Version) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            std::thread::spawn(move || answer(socket, version));
        }
    });
    address
}

fn answer(mut socket: TcpStream, version: Version) -> io::Result<()> {
    let mut in_segments = false;
    loop {
        let mut header = [0; Header::LEN];
        if in_segments {
            socket.read_exact(&mut [0; segment::HEADER_LEN])?;
        }
        socket.read_exact(&mut header)?;
        let header = Header::parse(&header);
        socket.read_exact(&mut vec![0; header.length as usize])?;
        if in_segments {
            socket.read_exact(&mut [0; segment::TRAILER_LEN])?;
        }
        let opcode = Opcode::from_byte(header.opcode).unwrap();
        let envelope = match opcode {
            Opcode::Options => {
                written(version, header.stream, &Message::Supported(vec![("CQL_VERSION", vec!["3.0.0"])]))
            }
            Opcode::Query => page(version, header.stream),
            _ => written(version, header.stream, &Message::Ready),
        };
        match in_segments {
            false => socket.write_all(&envelope)?,
            true => {
                let mut segments = Vec::new();
                segment::put_large(&mut segments, &envelope).unwrap();
                socket.write_all(&segments)?;
            }
        }
        in_segments |= version >= Version::V5 && opcode == Opcode::Startup;
    }
}

fn page(version: Version, stream: i16) -> Vec<u8> {
    let (keyspace, table, name) = ("ks".into(), "t".into(), "text".into());
    let columns = [ColumnSpec { keyspace, table, name, column_type: ColumnType::Text }];
    let mut row = Vec::new();
    write_values(&("x".repeat(TEXT_BYTES),), Some(&columns), true, &mut row).unwrap();
    let (metadata, content) = (RowsMetadata::new(columns.into()), row.repeat(ROWS));
    written(
        version,
        stream,
        &Message::Result(ResultMessage::Rows(Rows { metadata, row_count: ROWS, content: &content })),
    )
}

fn written(version: Version, stream: i16, message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let start = envelope::begin(&mut out, version, Flags::NONE, message.opcode());
    message.put(version, &mut out).unwrap();
    envelope::finish(&mut out, start).unwrap();
    envelope::set_stream(&mut out, stream);
    out
}
