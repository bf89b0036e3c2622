//! All rows of a result, page after page.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use helenus_core::value::{DecodeRow, Layout, RowCursor};

use crate::pages::PageStream;
use crate::{Error, PagingState, Response};

/// How many rows a task is given in one go. A page has some thousand, and they are all there: a task that works them off would
/// keep all others from running meanwhile. Waking it again costs a hundredth of what so many rows do.
const STREAK_MAX: u32 = 256;

/// All rows of a result as a stream. While a page is read the next one is fetched, and no more: a slow reader holds the
/// server back. The rows own what they are made of; for those that borrow there is [`Request::pages`](crate::Request::pages).
///
/// A row that can't be read is an error in its place, and the next one follows it. A page that can't be fetched, or whose
/// columns aren't those of `R`, ends the stream with one error; every row before it has been given, and
/// [`RowStream::paging_state`] says where to go on.
///
/// Every few hundred rows the stream lets the other tasks of its thread run, although more rows are there.
#[must_use = "nothing is fetched before the stream is polled"]
pub struct RowStream<R> {
    pages: PageStream,
    page: Option<Page>,
    /// Rows given since the task had to wait.
    streak: u32,
    row: PhantomData<fn() -> R>,
}

struct Page {
    response: Response,
    layout: Layout,
    cursor: RowCursor,
}

impl<R> RowStream<R> {
    pub(crate) fn new(pages: PageStream) -> Self {
        Self { pages, page: None, streak: 0, row: PhantomData }
    }

    /// Where the first page begins that no row has been given of; `None` before the first page has come and when the page
    /// being read is the last.
    pub fn paging_state(&self) -> Option<&PagingState> {
        self.pages.paging_state()
    }
}

impl<R: for<'a> DecodeRow<'a>> RowStream<R> {
    /// A row of the page that is there.
    #[inline]
    fn next_here(&mut self) -> Option<Result<R, Error>> {
        let page = self.page.as_mut()?;
        let row = page.response.next_row(&page.layout, &mut page.cursor);
        if row.is_none() {
            self.page = None;
        }
        row
    }

    fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<R, Error>>> {
        // Each round gives a row, waits, or goes one page on; a server that sends empty pages for ever is awaited each time.
        loop {
            if let Some(row) = self.next_here() {
                return Poll::Ready(Some(row));
            }
            let response = match std::task::ready!(self.pages.poll_page(cx)) {
                Some(Ok(response)) => response,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            match response.cursor::<R>() {
                Ok((layout, cursor)) => self.page = Some(Page { response, layout, cursor }),
                Err(error) => {
                    self.pages.give_up();
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl<R: for<'a> DecodeRow<'a>> Stream for RowStream<R> {
    type Item = Result<R, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.streak == STREAK_MAX {
            this.streak = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = this.poll_row(cx);
        this.streak = if polled.is_pending() { 0 } else { this.streak + 1 };
        polled
    }
}

impl<R> fmt::Debug for RowStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStream").field("pages", &self.pages).finish_non_exhaustive()
    }
}

/// All rows of a result, for threads that may block. See [`Request::blocking_iter`](crate::Request::blocking_iter).
#[must_use = "nothing is fetched before it is iterated"]
pub struct BlockingRows<R>(RowStream<R>);

impl<R> BlockingRows<R> {
    pub(crate) fn new(stream: RowStream<R>) -> Self {
        Self(stream)
    }

    /// As [`RowStream::paging_state`].
    pub fn paging_state(&self) -> Option<&PagingState> {
        self.0.paging_state()
    }
}

impl<R: for<'a> DecodeRow<'a>> Iterator for BlockingRows<R> {
    type Item = Result<R, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        // Most rows are there already; only the first of a page may have to be waited for.
        if let Some(row) = self.0.next_here() {
            return Some(row);
        }
        if self.0.pages.is_over() {
            return None;
        }
        let session = self.0.pages.session().clone();
        let stream = &mut self.0;
        match session.block_on(poll_fn(|cx| stream.poll_row(cx))) {
            Ok(row) => row,
            Err(error) => {
                self.0.pages.give_up();
                Some(Err(error))
            }
        }
    }
}

impl<R> fmt::Debug for BlockingRows<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockingRows").field(&self.0).finish()
    }
}
