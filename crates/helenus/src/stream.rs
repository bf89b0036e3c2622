//! All rows of a result, page after page.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use helenus_core::call::Notify;
use helenus_core::value::{DecodeRow, Layout, RowCursor};

use crate::draft::Draft;
use crate::{Error, PagingState, Pending, Request, Response, Session};

/// How many rows a task is given in one go. A page has some thousand, and they are all there: a task that works them off would
/// keep all others from running meanwhile. Waking it again costs a hundredth of what so many rows do.
const STREAK_MAX: u32 = 256;

/// All rows of a result as a stream. While a page is read the next one is fetched, and no more: a slow reader holds the
/// server back.
///
/// A page that can't be fetched ends the stream with one error; every row before it has been given, and
/// [`RowStream::paging_state`] says where to go on.
///
/// Every few hundred rows the stream lets the other tasks of its thread run, although more rows are there.
#[must_use = "nothing is fetched before the stream is polled"]
pub struct RowStream<R> {
    session: Session,
    /// What every page's request is made from.
    draft: Option<Draft>,
    page: Option<Page>,
    next: Next,
    /// Rows given since the task had to wait.
    streak: u32,
    row: PhantomData<fn() -> R>,
}

struct Page {
    response: Response,
    layout: Layout,
    cursor: RowCursor,
}

enum Next {
    /// Nothing was asked for yet, or what was wrong with the request.
    First(Option<Error>),
    Fetching(Pending<Response>, Option<PagingState>),
    /// This failed; from here one can go on.
    Failed(Option<PagingState>),
    End,
}

impl<R> RowStream<R> {
    pub(crate) fn new(request: Request<Response>) -> Self {
        let (session, draft) = request.into_draft();
        let (draft, error) = match draft {
            Ok(draft) => (Some(draft), None),
            Err(error) => (None, Some(*error)),
        };
        Self { session, draft, page: None, next: Next::First(error), streak: 0, row: PhantomData }
    }

    /// Where the first page begins that no row has been given of; `None` before the first page has come and when the page
    /// being read is the last.
    pub fn paging_state(&self) -> Option<&PagingState> {
        match &self.next {
            Next::Fetching(_, state) | Next::Failed(state) => state.as_ref(),
            Next::First(_) | Next::End => None,
        }
    }

    fn fetch(&self, state: Option<PagingState>) -> Next {
        let Some(mut draft) = self.draft.clone() else { return Next::End };
        if let Some(state) = &state {
            draft.options().paging_state = Some(state.clone());
        }
        let sealed = draft.seal(&self.session);
        Next::Fetching(Pending::new(self.session.clone(), sealed, ()), state)
    }

    /// The pages are read as they come. Fails once and then ends.
    fn fail(&mut self, error: Error) -> Poll<Option<Result<R, Error>>> {
        let state = match std::mem::replace(&mut self.next, Next::End) {
            Next::Fetching(_, state) => state,
            _ => None,
        };
        self.next = Next::Failed(state);
        Poll::Ready(Some(Err(error)))
    }
}

impl<R: for<'a> DecodeRow<'a>> RowStream<R> {
    fn poll_row(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<R, Error>>> {
        // Each round gives a row, waits, or goes one page on; a server that sends empty pages for ever is awaited each time.
        loop {
            if let Some(page) = &mut self.page {
                if let Some(row) = page.response.next_row(&page.layout, &mut page.cursor) {
                    return Poll::Ready(Some(row));
                }
                self.page = None;
            }
            match &mut self.next {
                Next::First(error) => match error.take() {
                    Some(error) => return self.fail(error),
                    None => self.next = self.fetch(None),
                },
                Next::Fetching(pending, _) => match std::task::ready!(Pin::new(pending).poll(cx)) {
                    Ok(response) => {
                        if let Err(error) = self.turn_page(response) {
                            return self.fail(error);
                        }
                    }
                    Err(error) => return self.fail(error),
                },
                Next::Failed(_) | Next::End => return Poll::Ready(None),
            }
        }
    }

    /// Begins to read `response`, and to fetch what follows it.
    fn turn_page(&mut self, response: Response) -> Result<(), Error> {
        let (layout, cursor) = response.cursor::<R>()?;
        self.next = match response.paging_state().cloned() {
            Some(state) => self.fetch(Some(state)),
            None => Next::End,
        };
        if let Next::Fetching(pending, _) = &mut self.next {
            // If there is no room for it, it is started when it is awaited.
            pending.start(Notify::Nobody);
        }
        self.page = Some(Page { response, layout, cursor });
        Ok(())
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
        f.debug_struct("RowStream").field("draft", &self.draft).finish_non_exhaustive()
    }
}

/// All rows of a result, for threads that may block. See [`Request::blocking_iter`].
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
        if let Some(page) = &mut self.0.page {
            if let Some(row) = page.response.next_row(&page.layout, &mut page.cursor) {
                return Some(row);
            }
        }
        self.0.page = None;
        if let Next::Failed(_) | Next::End = self.0.next {
            return None;
        }
        let session = self.0.session.clone();
        let stream = &mut self.0;
        match session.block_on(poll_fn(|cx| stream.poll_row(cx))) {
            Ok(row) => row,
            Err(error) => {
                self.0.next = Next::End;
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
