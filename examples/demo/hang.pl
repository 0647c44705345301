#!/usr/bin/perl
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# A page that never answers: accepts connections on a free loopback port and says nothing. Prints
# the port.
use strict;
use warnings;
use IO::Socket::INET;

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Listen => 128)
  or die "hang.pl: $!\n";
$| = 1;
print $listener->sockport, "\n";
my @held;
while (my $client = $listener->accept) {
  push @held, $client;
  shift @held if @held > 1000;
}
