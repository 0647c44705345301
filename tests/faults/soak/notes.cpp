// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "faults/soak/notes.hpp"

#include <algorithm>
#include <sstream>

namespace probekit::test {

NoteWriter::NoteWriter(const std::string& path) : file_(path) {}

void NoteWriter::write(const ImportNote& note) {
  file_ << "import " << note.minute << ' ' << note.tasks << ' ' << note.done << ' ' << note.expired
        << ' ' << note.lost << ' ' << note.recorded_twice << ' ' << note.run_twice << ' '
        << note.failed << std::endl;
}

void NoteWriter::write(const FaultNote& note) {
  file_ << "fault " << note.minute << ' ' << note.fault << std::endl;
}

void NoteWriter::write(const std::string& what, const Usage& usage) {
  file_ << "usage " << usage.minute << ' ' << what << ' ' << usage.bytes << ' ' << usage.descriptors
        << ' ' << usage.threads << std::endl;
}

void NoteWriter::problem(const std::string& text) {
  std::string line = text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  file_ << "problem " << line << std::endl;
}

Notes read_notes(const std::string& path) {
  Notes notes;
  std::ifstream file{path};
  for (std::string line; std::getline(file, line);) {
    std::istringstream words{line};
    std::string kind;
    words >> kind;
    if (kind == "import") {
      ImportNote note;
      words >> note.minute >> note.tasks >> note.done >> note.expired >> note.lost >>
          note.recorded_twice >> note.run_twice >> note.failed;
      notes.imports.push_back(note);
    } else if (kind == "fault") {
      FaultNote note;
      words >> note.minute >> std::ws;
      std::getline(words, note.fault);
      notes.faults.push_back(note);
    } else if (kind == "usage") {
      std::string what;
      Usage usage;
      words >> usage.minute >> what >> usage.bytes >> usage.descriptors >> usage.threads;
      notes.usage[what].push_back(usage);
    } else if (kind == "problem") {
      notes.problems.push_back(line.substr(kind.size() + 1));
    }
  }
  return notes;
}

}  // namespace probekit::test
