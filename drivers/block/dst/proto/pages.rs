// SPDX-License-Identifier: GPL-2.0

//! What is known about each page of a run that is under way.

use super::run::{
    Extent,
    Parts,
    Run, //
};
use super::units::PageMask;

/// A run and the pages of it that the peer has acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pages {
    /// The run.
    run: Run,
    /// Pages that are done.
    acked: PageMask,
}

/// What an acknowledgement leaves to wait for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Every page of the run is done.
    Done,
    /// Some pages are still under way.
    Partial,
}

/// Why an acknowledgement was refused. It then changed nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AckError {
    /// A page of it is done already.
    Duplicate,
    /// It is not within the run.
    OutOfRange,
    /// It ends in the middle of a page of the run.
    Ragged,
}

impl Pages {
    /// A run of which nothing is done.
    #[inline]
    pub fn new(run: Run) -> Self {
        Self {
            run,
            acked: PageMask::EMPTY,
        }
    }

    /// The run.
    #[inline]
    pub fn run(&self) -> Run {
        self.run
    }

    /// The pages that are done.
    #[inline]
    pub fn acked(&self) -> PageMask {
        self.acked
    }

    /// The pages that are not done.
    #[inline]
    pub fn unacked(&self) -> PageMask {
        self.run.all().without(self.acked)
    }

    /// Whether every page is done.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.unacked().is_empty()
    }

    /// The pages that an acknowledgement of `part` would finish, without recording it.
    ///
    /// For a READ the data has to be in its place before the pages count as done; this is asked
    /// when the header has arrived, [`Self::acknowledge`] when the payload has.
    ///
    /// # Errors
    ///
    /// See [`AckError`].
    pub fn check(&self, part: &Extent) -> Result<PageMask, AckError> {
        let mask = self.run.covered(part).ok_or(AckError::OutOfRange)?;
        let (first, count) = mask.lowest_range().ok_or(AckError::Ragged)?;

        if self.run.part(first, count) != Some(*part) {
            return Err(AckError::Ragged);
        }
        if self.acked.intersects(mask) {
            return Err(AckError::Duplicate);
        }
        Ok(mask)
    }

    /// Records that `part` is done.
    ///
    /// # Errors
    ///
    /// See [`AckError`].
    pub fn acknowledge(&mut self, part: &Extent) -> Result<Progress, AckError> {
        let mask = self.check(part)?;

        self.acked = self.acked.union(mask);
        Ok(match self.is_done() {
            true => Progress::Done,
            false => Progress::Partial,
        })
    }

    /// The parts that are not done, each as long as possible: what has to be sent again.
    #[inline]
    pub fn missing(&self) -> Parts {
        self.run.parts(self.unacked())
    }
}
