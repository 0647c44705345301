#!/usr/bin/perl
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# check_snippets.pl ROOT [--update]: C++ in README.md and docs/*.md stands under a line
#   <!-- snippet: PATH NAME -->
# and is what PATH has between "// snippet: NAME" and "// snippet end", moved to the left. Says
# where it is not and ends with 1; with --update writes it there.
use strict;
use warnings;

my ($root, $update) = @ARGV;
my ($faults, $checked) = (0, 0);

sub fault {
  print STDERR "$_[0]\n";
  ++$faults;
}

sub snippet {
  my ($path, $name) = @_;
  open(my $file, '<', "$root/$path") or return undef;
  my (@lines, $inside);
  while (my $line = <$file>) {
    if ($line =~ m{^\s*// snippet: (\S+)$}) { $inside = $1 eq $name; next; }
    if ($line =~ m{^\s*// snippet end$}) {
      last if $inside;
      next;
    }
    push @lines, $line if $inside;
  }
  return undef unless @lines;
  my $indent;
  for (@lines) {
    next unless /^( *)\S/;
    $indent = length $1 if !defined $indent || length $1 < $indent;
  }
  s/^ {0,$indent}// for @lines;
  return join '', @lines;
}

for my $page ("$root/README.md", glob("$root/docs/*.md")) {
  open(my $file, '<', $page) or die "$page: $!";
  my @lines = <$file>;
  close $file;
  my (@out, $marker);
  for (my $i = 0; $i < @lines; ++$i) {
    push @out, $lines[$i];
    if ($lines[$i] =~ /^<!-- snippet: (\S+) (\S+) -->$/) { $marker = [$1, $2]; next; }
    if ($lines[$i] !~ /^```cpp/) {
      fault("$page:@{[$i + 1]}: a snippet marker without code under it") if $marker;
      undef $marker;
      next;
    }
    my $place = "$page:@{[$i + 1]}";
    my $shown = '';
    $shown .= $lines[$i] while ++$i < @lines && $lines[$i] !~ /^```$/;
    if (!$marker) {
      fault("$place: C++ without a snippet marker");
    } else {
      my $source = snippet(@$marker);
      if (!defined $source) {
        fault("$place: $marker->[0] has no snippet '$marker->[1]'");
      } elsif ($source ne $shown && $update) {
        $shown = $source;
      } elsif ($source ne $shown) {
        fault("$place: differs from snippet '$marker->[1]' of $marker->[0]");
      }
      ++$checked;
    }
    undef $marker;
    push @out, $shown, $lines[$i] // '';
  }
  next unless $update && join('', @out) ne join('', @lines);
  open(my $rewritten, '>', $page) or die "$page: $!";
  print $rewritten @out;
  close $rewritten or die "$page: $!";
}
fault('there is no snippet to check') unless $checked;
exit($faults ? 1 : 0);
