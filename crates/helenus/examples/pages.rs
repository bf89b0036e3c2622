//! A result of many pages: as one iterator, and page by page with a state that outlives the program.
//!
//! `cargo run -p helenus --example pages -- 127.0.0.1:9042`

mod support;

use helenus::{PagingState, Session};
use support::{host, make_table};

const SELECT: &str = "SELECT id, name FROM pages.t";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session = Session::builder().contact_point(host()).connect().wait()?;
    fill(&session)?;

    // All rows, whatever the page size: the next page is fetched while this one is read. An error ends it, so a result is
    // never silently cut.
    let mut rows = 0;
    for row in session.query(SELECT, ()).page_size(500).blocking_iter() {
        let (_id, _name): (i64, String) = row?;
        rows += 1;
    }
    println!("{rows} rows");

    // ANCHOR: pages
    // The same without a copy of what the rows are made of: they borrow from their page.
    let mut bytes = 0;
    for page in session.query(SELECT, ()).page_size(500).blocking_pages() {
        for row in page?.page_rows::<(i64, &str)>()? {
            bytes += row?.1.len();
        }
    }
    println!("{bytes} bytes of names");
    // ANCHOR_END: pages

    // ANCHOR: state
    // Page by page: the state says where the next page begins. It is bytes or text, to be kept wherever a program keeps them,
    // and good for this statement with these values alone: for another one it is refused.
    let mut kept: Option<String> = None;
    for page in 1.. {
        let mut request = session.query(SELECT, ()).page_size(700);
        if let Some(text) = kept.take() {
            request = request.page(text.parse::<PagingState>()?);
        }
        let response = request.wait()?;
        // `rows` would refuse a page that isn't all there is; `page_rows` is for those who know.
        let first = response.page_rows::<(i64, &str)>()?.next().transpose()?;
        println!("page {page}: {} rows, the first is {first:?}", response.row_count());
        match response.paging_state() {
            Some(state) => kept = Some(state.to_string()),
            None => break,
        }
    }
    // ANCHOR_END: state
    session.close().wait()?;
    Ok(())
}

fn fill(session: &Session) -> Result<(), helenus::Error> {
    session.block_on(make_table(session, "pages", "t (id bigint PRIMARY KEY, name text)"))??;
    let insert = session.prepare("INSERT INTO pages.t (id, name) VALUES (?, ?)").wait()?;
    let requests = (0..3_000_i64).map(|id| session.execute(&insert, (id, format!("row {id}"))));
    session.execute_concurrent(requests, 64).into_iter().try_for_each(|(_, result)| result.map(drop))
}
