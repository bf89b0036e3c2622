//! All pages of a result, one after another.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use helenus_core::call::Notify;

use crate::draft::Draft;
use crate::{Error, PagingState, Pending, Request, Response, Session};

/// All pages of a result as a stream. While one is read the next one is fetched, and no more: a slow reader holds the server
/// back. For rows that borrow from their page; [`Request::stream`] gives owned rows.
///
/// A page after the first is fetched again if its connection is lost, even if the request isn't said to be
/// [idempotent](Request::idempotent): only a read has pages. One that can't be fetched ends the stream with one error, and
/// [`PageStream::paging_state`] says where to go on.
#[must_use = "nothing is fetched before the stream is polled"]
pub struct PageStream {
    session: Session,
    /// What every page's request is made from.
    draft: Option<Draft>,
    /// Where the last page given begins.
    given: Option<PagingState>,
    next: Next,
}

enum Next {
    /// Nothing was asked for yet, or what was wrong with the request.
    First(Option<Error>),
    Fetching(Pending<Response>, Option<PagingState>),
    /// This failed; from here one can go on.
    Failed(Option<PagingState>),
    End,
}

impl PageStream {
    pub(crate) fn new(request: Request<Response>) -> Self {
        let (session, draft) = request.into_draft();
        let (draft, error) = match draft {
            Ok(draft) => (Some(draft), None),
            Err(error) => (None, Some(*error)),
        };
        Self { session, draft, given: None, next: Next::First(error) }
    }

    /// Where the page begins that comes next; `None` before the first page has come and when the one given was the last.
    pub fn paging_state(&self) -> Option<&PagingState> {
        match &self.next {
            Next::Fetching(_, state) | Next::Failed(state) => state.as_ref(),
            Next::First(_) | Next::End => None,
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Whether no page will come any more.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.next, Next::Failed(_) | Next::End)
    }

    /// The page given last is of no use: nothing follows it, and it is where one would go on.
    pub(crate) fn give_up(&mut self) {
        self.next = Next::Failed(self.given.take());
    }

    pub(crate) fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Response, Error>>> {
        if let Next::First(error) = &mut self.next {
            if let Some(error) = error.take() {
                self.next = Next::End;
                return Poll::Ready(Some(Err(error)));
            }
            self.next = self.fetch(None);
        }
        let Next::Fetching(pending, _) = &mut self.next else { return Poll::Ready(None) };
        let page = std::task::ready!(Pin::new(pending).poll(cx));
        let Next::Fetching(_, state) = std::mem::replace(&mut self.next, Next::End) else {
            unreachable!("it was `Fetching` above");
        };
        match &page {
            Ok(response) => {
                self.given = state;
                self.fetch_after(response);
            }
            Err(_) => self.next = Next::Failed(state),
        }
        Poll::Ready(Some(page))
    }

    fn fetch_after(&mut self, response: &Response) {
        let Some(state) = response.paging_state() else { return };
        self.next = self.fetch(Some(state.clone()));
        if let Next::Fetching(pending, _) = &mut self.next {
            // If there is no room for it, it is started when it is awaited.
            pending.start(Notify::Nobody);
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
}

impl Stream for PageStream {
    type Item = Result<Response, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_page(cx)
    }
}

impl fmt::Debug for PageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageStream").field("draft", &self.draft).finish_non_exhaustive()
    }
}

/// All pages of a result, for threads that may block. See [`Request::blocking_pages`].
#[must_use = "nothing is fetched before it is iterated"]
#[derive(Debug)]
pub struct BlockingPages(PageStream);

impl BlockingPages {
    pub(crate) fn new(pages: PageStream) -> Self {
        Self(pages)
    }

    /// As [`PageStream::paging_state`].
    pub fn paging_state(&self) -> Option<&PagingState> {
        self.0.paging_state()
    }
}

impl Iterator for BlockingPages {
    type Item = Result<Response, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_over() {
            return None;
        }
        let session = self.0.session.clone();
        let pages = &mut self.0;
        match session.block_on(poll_fn(|cx| pages.poll_page(cx))) {
            Ok(page) => page,
            Err(error) => {
                self.0.next = Next::End;
                Some(Err(error))
            }
        }
    }
}
