// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "resolver/resolver.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "resolver/dns_message.hpp"

namespace probekit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kTriesMin = 2;
constexpr std::size_t kTriesMax = 6;
constexpr milliseconds kTryMin{50};
constexpr int kAliasesMax = 16;
constexpr std::size_t kAddressesMax = 64;
// Of an answer whose other family never came, and of a failure of the servers.
constexpr seconds kIncompleteTtl{10};
constexpr seconds kFailureTtl{1};

Address loopback(bool v6, std::uint16_t port) {
  Address address;
  address.v6 = v6;
  address.port = port;
  if (v6) {
    address.bytes[15] = 1;
  } else {
    address.bytes[0] = 127;
    address.bytes[3] = 1;
  }
  return address;
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// A negative answer lives as long as the SOA with it says (RFC 2308 5).
seconds negative_ttl(const DnsMessage& message, std::string_view packet) {
  for (const DnsResourceRecord& record : message.authority) {
    if (record.type != kDnsTypeSoa || record.rdata_size < 4) continue;
    std::uint32_t minimum = 0;
    const std::size_t at = std::size_t{record.rdata_offset} + record.rdata_size - 4;
    for (std::size_t i = 0; i < 4; ++i) {
      minimum = minimum << 8 | static_cast<unsigned char>(packet[at + i]);
    }
    return seconds(std::min(minimum, record.ttl));
  }
  return seconds(0);
}

}  // namespace

std::vector<Address> interleave(const std::vector<Address>& first,
                                const std::vector<Address>& second) {
  std::vector<Address> out;
  out.reserve(first.size() + second.size());
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  return out;
}

// One name under way: two legs, A and AAAA, that try the servers each in its own order of events.
struct Resolver::Lookup {
  struct Leg final : DnsQuery {
    enum class State { asking, found, absent, failed };

    Leg(Lookup& its_lookup, std::uint16_t its_type) : lookup(its_lookup), type(its_type) {}
    void on_reply(const DnsReply& reply) override { lookup.on_reply(*this, reply); }

    Lookup& lookup;
    const std::uint16_t type;
    State state = State::asking;
    std::size_t tries = 0;
    bool no_such_name = false;
    bool agent_fault = false;
    int os_error = 0;  // behind agent_fault
    std::vector<Address> addresses;
    seconds ttl{0};
    std::string message;
  };

  Lookup(Resolver& its_resolver, std::string its_name, SteadyTime its_deadline)
      : resolver(its_resolver),
        name(std::move(its_name)),
        deadline(its_deadline),
        servers(resolver.name_servers_.at(resolver.loop_.now())),
        tries_max(std::clamp(2 * servers.size(), kTriesMin, kTriesMax)) {}

  ~Lookup() {
    for (Leg* leg : {&a, &aaaa}) resolver.client_.abandon(*leg);
    resolver.loop_.cancel(try_timer);
    resolver.loop_.cancel(family_timer);
  }

  void start() {
    ask(a, false);
    ask(aaaa, false);
    arm();
  }

  const Address& server_of(const Leg& leg) const {
    return servers[(leg.tries - 1) % servers.size()];
  }

  void ask(Leg& leg, bool tcp) {
    if (!tcp) ++leg.tries;
    resolver.client_.ask(leg, server_of(leg), tcp, name, leg.type);
  }

  // The time to the deadline is shared out between the tries that are left.
  void arm() {
    resolver.loop_.cancel(try_timer);
    try_timer = 0;
    const std::size_t tries = std::max(a.tries, aaaa.tries);
    if (tries >= tries_max) return;
    const auto now = resolver.loop_.now();
    const auto share = (deadline - now) / static_cast<int>(tries_max - tries + 1);
    const auto slice = std::clamp<SteadyTime::duration>(share, kTryMin, kTryMax);
    try_timer = resolver.loop_.call_at(now + slice, [this] { try_again(); });
  }

  void try_again() {
    try_timer = 0;
    for (Leg* leg : {&a, &aaaa}) {
      if (leg->state != Leg::State::asking || leg->tries >= tries_max) continue;
      resolver.client_.abandon(*leg);
      ask(*leg, false);
    }
    arm();
  }

  void on_reply(Leg& leg, const DnsReply& reply) {
    const Address& server = server_of(leg);
    if (reply.outcome != DnsOutcome::answered) {
      leg.agent_fault = reply.outcome == DnsOutcome::agent_fault;
      leg.os_error = reply.os_error;
      fail(leg, describe(reply) + ", asking " + server.to_string(),
           reply.outcome == DnsOutcome::bad_question);
      return;
    }
    auto message = decode_dns_message(reply.packet);
    if (!reply.tcp && (message ? message->tc : reply.at_limit)) {
      ask(leg, true);
      return;
    }
    leg.agent_fault = false;
    if (!message) {
      fail(leg, message.error().message() + " from " + server.to_string(), false);
      return;
    }
    const auto rcode = static_cast<DnsRcode>(message->rcode);
    if (rcode != DnsRcode::noerror && rcode != DnsRcode::nxdomain) {
      fail(leg, dns_rcode_name(message->rcode) + " from " + server.to_string(), false);
      return;
    }
    collect(leg, *message, reply.packet);
    if (leg.addresses.empty()) {
      leg.state = Leg::State::absent;
      leg.no_such_name = rcode == DnsRcode::nxdomain;
      leg.ttl = negative_ttl(*message, reply.packet);
      leg.message = leg.no_such_name ? "NXDOMAIN from " : "NOERROR, but no address, from ";
      leg.message += server.to_string();
    } else {
      leg.state = Leg::State::found;
    }
    check();
  }

  void fail(Leg& leg, std::string why, bool for_good) {
    leg.message = std::move(why);
    if (!for_good && leg.tries < tries_max) {
      ask(leg, false);
      return;
    }
    leg.state = Leg::State::failed;
    check();
  }

  // Addresses of the name the aliases lead to; the least TTL on the way is theirs.
  void collect(Leg& leg, const DnsMessage& message, std::string_view packet) {
    std::string_view owner = message.questions.empty()
                                 ? std::string_view{}
                                 : std::string_view(message.questions[0].name);
    std::uint32_t ttl = 0x7fffffffU;
    for (int i = 0; i < kAliasesMax; ++i) {
      const auto alias =
          std::find_if(message.answers.begin(), message.answers.end(), [&](const auto& record) {
            return record.type == kDnsTypeCname && same_name(record.name, owner);
          });
      if (alias == message.answers.end()) break;
      owner = alias->value;
      ttl = std::min(ttl, alias->ttl);
    }
    for (const DnsResourceRecord& record : message.answers) {
      if (record.type != leg.type || record.dns_class != 1 || !same_name(record.name, owner)) {
        continue;
      }
      if (leg.addresses.size() >= kAddressesMax) break;
      Address address;
      address.v6 = leg.type == kDnsTypeAaaa;
      std::memcpy(address.bytes.data(), packet.data() + record.rdata_offset, record.rdata_size);
      leg.addresses.push_back(address);
      ttl = std::min(ttl, record.ttl);
    }
    leg.ttl = seconds(ttl);
  }

  void check() {
    const bool a_open = a.state == Leg::State::asking;
    const bool aaaa_open = aaaa.state == Leg::State::asking;
    if (!a_open && !aaaa_open) {
      conclude();
      return;
    }
    const Leg& ready = a_open ? aaaa : a;
    if (ready.state != Leg::State::found || family_timer != 0) return;
    family_timer = resolver.loop_.call_at(resolver.loop_.now() + kFamilyWait, [this] {
      family_timer = 0;
      conclude();
    });
  }

  void conclude() {
    auto resolution = std::make_shared<Resolution>();
    seconds ttl{0};
    const bool some = a.state == Leg::State::found || aaaa.state == Leg::State::found;
    const bool failed = a.state == Leg::State::failed || aaaa.state == Leg::State::failed;
    if (some) {
      resolution->addresses = interleave(a.addresses, aaaa.addresses);
      ttl = seconds(0x7fffffff);
      for (const Leg* leg : {&a, &aaaa}) {
        if (leg->state == Leg::State::found) ttl = std::min(ttl, leg->ttl);
        if (leg->state == Leg::State::asking || leg->state == Leg::State::failed) {
          ttl = std::min(ttl, kIncompleteTtl);
        }
      }
    } else {
      const Leg& telling =
          failed ? (a.state == Leg::State::failed ? a : aaaa) : (aaaa.no_such_name ? aaaa : a);
      resolution->message = telling.message;
      if (failed) {
        resolution->failure = telling.agent_fault ? FailureKind::internal : FailureKind::dns;
        resolution->os_error = telling.agent_fault ? telling.os_error : 0;
        ttl = telling.agent_fault ? seconds(0) : kFailureTtl;
      } else {
        ttl = std::min(a.ttl, aaaa.ttl);
      }
    }
    resolver.cache_.store(name, resolution, ttl, resolver.loop_.now());
    resolver.finish(*this, std::move(resolution));
  }

  Resolver& resolver;
  const std::string name;
  SteadyTime deadline;
  const std::vector<Address> servers;  // as they were when it began
  const std::size_t tries_max;
  Leg a{*this, kDnsTypeA};
  Leg aaaa{*this, kDnsTypeAaaa};
  TimerId try_timer = 0;
  TimerId family_timer = 0;
  std::vector<ResolveRequest*> waiting;
};

Resolver::Resolver(ProbeLoop& loop, DnsClient& client, ResolverOptions options)
    : loop_(loop),
      client_(client),
      name_servers_(std::move(options.servers), std::move(options.resolv_conf)),
      hosts_file_(std::move(options.hosts)),
      cache_(options.cache_entries_max) {}

Resolver::~Resolver() {
  for (const auto& [name, lookup] : lookups_) {
    for (ResolveRequest* request : lookup->waiting) request->lookup_ = nullptr;
  }
}

void Resolver::look_at_hosts() {
  if (const auto text = hosts_file_.changed(loop_.now())) {
    hosts_.clear();
    for (const auto& [name, addresses] : parse_hosts(*text)) {
      auto resolution = std::make_shared<Resolution>();
      std::vector<Address> v4, v6;
      for (const Address& address : addresses) (address.v6 ? v6 : v4).push_back(address);
      resolution->addresses = interleave(v4, v6);
      hosts_.emplace(name, std::move(resolution));
    }
  }
}

ResolutionPtr Resolver::from_system(std::string_view name) {
  if (!hosts_.empty()) {
    name_ = name;
    const auto found = hosts_.find(name_);
    if (found != hosts_.end()) return found->second;
  }
  // Never a question for a server (RFC 6761 6.3).
  constexpr std::string_view kLocalhost = "localhost";
  if (name.size() >= kLocalhost.size() &&
      name.substr(name.size() - kLocalhost.size()) == kLocalhost &&
      (name.size() == kLocalhost.size() || name[name.size() - kLocalhost.size() - 1] == '.')) {
    auto resolution = std::make_shared<Resolution>();
    resolution->addresses = {loopback(false, 0), loopback(true, 0)};
    return resolution;
  }
  return nullptr;
}

ResolutionPtr Resolver::resolve(ResolveRequest& request, std::string_view name,
                                SteadyTime deadline) {
  if (name.size() > 1 && name.back() == '.') name.remove_suffix(1);
  look_at_hosts();
  if (auto known = from_system(name)) return known;
  if (auto known = cache_.find(name, loop_.now())) return known;

  auto& lookup = lookups_[std::string(name)];
  if (!lookup) {
    lookup = std::make_unique<Lookup>(*this, std::string(name), deadline);
    lookup->start();
  }
  lookup->deadline = std::max(lookup->deadline, deadline);
  lookup->waiting.push_back(&request);
  request.lookup_ = lookup.get();
  return nullptr;
}

void Resolver::cancel(ResolveRequest& request) {
  auto* const lookup = static_cast<Lookup*>(std::exchange(request.lookup_, nullptr));
  if (lookup == nullptr) return;
  auto& waiting = lookup->waiting;
  waiting.erase(std::find(waiting.begin(), waiting.end(), &request));
  if (!waiting.empty()) return;
  // One that is telling its requests is not in the map any more.
  const auto found = lookups_.find(lookup->name);
  if (found != lookups_.end() && found->second.get() == lookup) lookups_.erase(found);
}

void Resolver::finish(Lookup& lookup, ResolutionPtr resolution) {
  const auto found = lookups_.find(lookup.name);
  const std::unique_ptr<Lookup> ended = std::move(found->second);
  lookups_.erase(found);
  client_.abandon(ended->a);
  client_.abandon(ended->aaaa);
  while (!ended->waiting.empty()) {
    ResolveRequest* const request = ended->waiting.front();
    ended->waiting.erase(ended->waiting.begin());
    request->lookup_ = nullptr;
    request->on_resolved(resolution);
  }
}

}  // namespace probekit
