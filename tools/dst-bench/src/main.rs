// SPDX-License-Identifier: GPL-2.0

//! Counts the instructions of the parts, and compares them with what they were.
//!
//! ```text
//! dst-bench print           what there is now, as it is written down
//! dst-bench check FILE      whether it has become more than what is written there
//! ```
//!
//! A child of this program runs a part, one instruction at a time. So the numbers depend on the
//! compiler and on nothing else: not on the processor, and not on what else the machine does.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs;
use std::process::{
    Command,
    ExitCode, //
};

use dst_bench::counts::{
    self,
    Counts,
    Verdict, //
};
use dst_bench::parts::PARTS;
use nix::sys::ptrace;
use nix::sys::signal::{
    raise,
    Signal, //
};
use nix::sys::wait::{
    waitpid,
    WaitStatus, //
};
use nix::unistd::Pid;

/// How often a part is run.
const TIMES: u64 = 32;

/// What the child says when it begins and when it is done.
const BEGIN: Signal = Signal::SIGUSR1;
const END: Signal = Signal::SIGUSR2;

/// The child: runs a part so many times, and is traced.
fn run(name: &str, times: u64) -> Result<(), Box<dyn Error>> {
    let part = PARTS
        .iter()
        .find(|part| part.name == name)
        .ok_or("no such part")?;

    ptrace::traceme()?;
    raise(BEGIN)?;
    (part.run)(times);
    raise(END)?;
    Ok(())
}

/// The instructions between the child's signals. What it needs to send them is the same always.
fn steps(name: &str, times: u64) -> Result<u64, Box<dyn Error>> {
    let mut child = Command::new(env::current_exe()?)
        .args(["run", name, &times.to_string()])
        .spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let mut count = 0;

    loop {
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, BEGIN) => ptrace::step(pid, None)?,
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {
                count += 1;
                ptrace::step(pid, None)?;
            }
            WaitStatus::Stopped(_, END) => break,
            status => return Err(format!("{name}: {status:?} instead of a step").into()),
        }
    }
    ptrace::kill(pid)?;
    child.wait()?;
    Ok(count)
}

/// Instructions of all parts.
fn count() -> Result<Counts, Box<dyn Error>> {
    PARTS
        .iter()
        .filter(|part| part.counted)
        .map(|part| {
            let once = steps(part.name, TIMES)?;
            let twice = steps(part.name, 2 * TIMES)?;

            // What is done once cancels out.
            Ok((part.name.into(), (twice - once) as f64 / TIMES as f64))
        })
        .collect()
}

/// A line for each part, and one that counts them; whether all is well.
fn report(known: &Counts, now: &Counts, verdicts: &BTreeMap<String, Verdict>) -> bool {
    let failed = verdicts
        .values()
        .filter(|verdict| !verdict.passes())
        .count();

    for (name, verdict) in verdicts {
        let word = match verdict.passes() {
            true => "PASS",
            false => "FAIL",
        };
        let said = match verdict {
            Verdict::Same => String::new(),
            Verdict::Less(change) => {
                format!(", {change:.1} % less than is known: write it down")
            }
            Verdict::More(change) => {
                format!(", {change:.1} % more than {:.1}", known[name])
            }
            Verdict::Unknown => ", and nobody knows how many there should be".into(),
            Verdict::Gone => " that there is no more".into(),
        };
        let number = now.get(name).or_else(|| known.get(name)).copied();

        println!(
            "{word}  {name}: {:.1} instructions{said}",
            number.unwrap_or(0.0)
        );
    }
    println!("{} passed, {failed} failed", verdicts.len() - failed);
    failed == 0
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();

    match words[..] {
        ["run", name, times] => run(name, times.parse()?)?,
        ["print"] => print!("{}", counts::print(&count()?)),
        ["check", file] => {
            let known = counts::parse(&fs::read_to_string(file)?)?;
            let now = count()?;

            if !report(&known, &now, &counts::compare(&known, &now)) {
                return Ok(ExitCode::FAILURE);
            }
        }
        _ => {
            eprintln!("usage: dst-bench print | check FILE");
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}
