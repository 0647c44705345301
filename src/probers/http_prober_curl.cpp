// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/local_failures.hpp"
#include "probe/is_high.hpp"
#include "probe/url.hpp"
#include "probekit/http_prober.hpp"
#include "probekit/version.hpp"
#include "probers/curl_errors_curl.hpp"
#include "probers/curl_multi_curl.hpp"
#include "probers/http_probe.hpp"
#include "resolver/dns_client.hpp"
#include "resolver/resolver.hpp"

namespace probekit {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// Longer than any probe may take: the probe's own timer is the only one that counts.
constexpr long kNeverMilliseconds = 10L * kTimeoutMax.count();
// What a silent address is given at least while others are left.
constexpr milliseconds kAddressTimeMin{250};
constexpr std::size_t kAddressesTriedMax = 8;

class HttpRunner final : public ProbeRunner, private CurlMultiUser {
 public:
  HttpRunner(ProbeLoop& loop, const ProbeEnvironment& environment, ProbeSink& sink,
             const HttpProberOptions& options)
      : loop_(loop),
        environment_(environment),
        sink_(sink),
        options_(options),
        dns_(loop, std::max<std::size_t>(16, environment.concurrency)),
        resolver_(loop, dns_, resolver_options(environment)),
        multi_(loop, *this) {
    running_.reserve(environment.concurrency);
  }

  ~HttpRunner() override {
    for (const auto& [id, probe] : running_) stop(*probe);
  }

  void start(std::uint64_t id, std::string_view target, const ProbeOptions& options) override;
  void cancel(std::uint64_t id) override;
  void tell(ProbeWaits& waits, LocalFailures& failures) const override;

 private:
  struct Probe final : ResolveRequest {
    explicit Probe(HttpRunner& its_runner);
    ~Probe() { curl_easy_cleanup(easy); }
    void on_resolved(const ResolutionPtr& resolution) override {
      runner.on_resolved(*this, *resolution);
    }

    HttpRunner& runner;
    CURL* easy = nullptr;
    std::uint64_t id = 0;
    const ProbeOptions* options = nullptr;
    SteadyTime started{};
    SystemTime started_at{};
    SteadyTime deadline{};
    TimerId timer = 0;
    Url url;
    HttpResult http;

    // Of this hop.
    HttpHopTimes times;
    std::vector<Address> addresses;  // allowed ones, to be tried in turn
    std::size_t next_address = 0;
    TimerId address_timer = 0;
    bool transferring = false;
    std::string address;  // of the one that is tried
    std::string connect_to;
    curl_slist connect_to_list{};
    int os_error = 0;
    std::string denied;
    bool connected = false;
    int status = 0;
    std::string location;
    std::size_t header_bytes = 0;
    bool in_headers = true;
    bool headers_too_large = false;
    bool enough = false;  // we ended the transfer: redirected, or the body is long enough
    std::array<char, CURL_ERROR_SIZE> error_text{};
  };
  struct Calls;  // what libcurl calls
  using Running = std::unordered_map<std::uint64_t, std::unique_ptr<Probe>>;

  static ResolverOptions resolver_options(const ProbeEnvironment& environment) {
    ResolverOptions options;
    options.servers = environment.dns_servers;
    return options;
  }

  static Probe* owner_of(void* easy);
  void start_hop(Probe& probe);
  void on_resolved(Probe& probe, const Resolution& resolution);
  void connect(Probe& probe, const std::vector<Address>& addresses);
  void connect_next(Probe& probe);
  void on_address_timeout(Probe& probe);
  void on_timeout(Probe& probe);
  void on_transfer_end(void* easy, int code) override;
  void on_action_end() override;
  bool is_urgent(void* easy) override;
  void on_response(Probe& probe);
  void redirect(Probe& probe);
  void fail(Probe& probe, FailureKind kind, std::string message);
  void finish(Probe& probe, ProbeResult result);
  void end_hop(Probe& probe, SteadyTime now);
  void stop(Probe& probe);
  void stop_transfer(Probe& probe);
  void release(Running::iterator at);

  ProbeLoop& loop_;
  const ProbeEnvironment& environment_;
  ProbeSink& sink_;
  const HttpProberOptions options_;
  DnsClient dns_;
  Resolver resolver_;
  CurlMulti multi_;
  Running running_;
  std::vector<std::unique_ptr<Probe>> pool_;
  std::vector<Probe*> sending_;  // their requests go out in this action
  LocalFailures failures_;
};

struct HttpRunner::Calls {
  static Probe& self(void* user) { return *static_cast<Probe*>(user); }

  static curl_socket_t open_socket(void* user, curlsocktype /*purpose*/, curl_sockaddr* address) {
    Probe& probe = self(user);
    const auto where = address_of(&address->addr);
    const AddressPolicy& policy = probe.runner.environment_.address_policy;
    if (!where || !policy.allows(*where)) {
      probe.denied = where ? policy.judge(*where).message : where.error().message();
      return CURL_SOCKET_BAD;
    }
    const int fd = ::socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                            address->protocol);
    if (fd < 0) {
      probe.os_error = errno;
      return CURL_SOCKET_BAD;
    }
    return fd;
  }

  static CURLcode tls_begins(CURL* /*easy*/, void* /*ssl_context*/, void* user) {
    Probe& probe = self(user);
    probe.connected = true;
    probe.times.enter(HttpStage::securing, probe.runner.loop_.clock_now());
    return CURLE_OK;
  }

  static int request_begins(void* user, char* /*remote_ip*/, char* /*local_ip*/, int /*port*/,
                            int /*local_port*/) {
    Probe& probe = self(user);
    probe.connected = true;
    probe.times.enter(HttpStage::sending, probe.runner.loop_.clock_now());
    probe.runner.sending_.push_back(&probe);
    return CURL_PREREQFUNC_OK;
  }

  static std::size_t header(char* text, std::size_t /*one*/, std::size_t size, void* user) {
    Probe& probe = self(user);
    if (probe.times.stage() != HttpStage::receiving) {
      const SteadyTime now = probe.runner.loop_.clock_now();
      // Sent and answered within one call of libcurl: the wait was too short to be seen.
      if (probe.times.stage() == HttpStage::sending)
        probe.times.enter(HttpStage::waiting, now - std::chrono::microseconds{1});
      probe.times.enter(HttpStage::receiving, now);
    }
    const std::string_view line(text, size);
    probe.header_bytes += size;
    if (probe.header_bytes > probe.runner.options_.header_bytes_max) {
      probe.headers_too_large = true;
      return 0;
    }
    if (const int status = status_of(line); status != 0) {
      probe.status = status;
      probe.in_headers = true;
      probe.location.clear();
    } else if (line == "\r\n" || line == "\n") {
      probe.in_headers = false;
    } else if (probe.in_headers && is_redirect(probe.status)) {
      if (const auto location = location_of(line); !location.empty()) probe.location = location;
    }
    return size;
  }

  static std::size_t body(char* /*text*/, std::size_t /*one*/, std::size_t size, void* user) {
    Probe& probe = self(user);
    if (!probe.location.empty()) {  // the body of a redirect tells nothing
      probe.enough = true;
      return 0;
    }
    const std::uint64_t left = probe.runner.options_.body_bytes_max - probe.http.body_bytes;
    if (size > left) {
      probe.http.body_bytes += left;
      probe.http.truncated = true;
      probe.enough = true;
      return 0;
    }
    probe.http.body_bytes += size;
    return size;
  }
};

HttpRunner::Probe::Probe(HttpRunner& its_runner) : runner(its_runner), easy(curl_easy_init()) {
  if (easy == nullptr) throw std::bad_alloc();
  const HttpProberOptions& its = runner.options_;
  // An option that this libcurl refuses would be a probe other than described.
  const auto set = [this](CURLoption option, auto value) {
    if (curl_easy_setopt(easy, option, value) != CURLE_OK) {
      throw std::runtime_error("libcurl refuses option " + std::to_string(option));
    }
  };
  set(CURLOPT_PRIVATE, this);
  set(CURLOPT_ERRORBUFFER, error_text.data());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROXY, "");  // not the environment's
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_FRESH_CONNECT, 1L);
  set(CURLOPT_FORBID_REUSE, 1L);
  set(CURLOPT_SSL_SESSIONID_CACHE, 0L);
  set(CURLOPT_SSL_VERIFYPEER, 1L);
  set(CURLOPT_SSL_VERIFYHOST, 2L);
  if (!its.ca_file.empty()) set(CURLOPT_CAINFO, its.ca_file.c_str());
  // With a folder of certificates libcurl parses everything again for each connection.
  set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  set(CURLOPT_USERAGENT, its.user_agent.c_str());
  // Names never reach libcurl: its resolver would start threads, and be waited for.
  connect_to_list.data = connect_to.data();
  set(CURLOPT_CONNECT_TO, &connect_to_list);
  set(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
  set(CURLOPT_QUICK_EXIT, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, kNeverMilliseconds);
  set(CURLOPT_OPENSOCKETFUNCTION, &Calls::open_socket);
  set(CURLOPT_OPENSOCKETDATA, this);
  set(CURLOPT_SSL_CTX_FUNCTION, &Calls::tls_begins);
  set(CURLOPT_SSL_CTX_DATA, this);
  set(CURLOPT_PREREQFUNCTION, &Calls::request_begins);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_HEADERFUNCTION, &Calls::header);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Calls::body);
  set(CURLOPT_WRITEDATA, this);
}

void HttpRunner::start(std::uint64_t id, std::string_view target, const ProbeOptions& options) {
  const SteadyTime now = loop_.clock_now();
  auto url = parse_url(target);
  if (!url) {
    ProbeResult result = failed_result(FailureKind::internal, url.error().message());
    result.started_at = loop_.system_now();
    sink_.on_result(id, std::move(result));
    return;
  }
  std::unique_ptr<Probe> owned;
  if (pool_.empty()) {
    owned = std::make_unique<Probe>(*this);
  } else {
    owned = std::move(pool_.back());
    pool_.pop_back();
  }
  Probe& probe = *owned;
  probe.id = id;
  probe.options = &options;
  probe.started = now;
  probe.started_at = loop_.system_now();
  probe.deadline = now + options.timeout;
  probe.url = std::move(*url);
  probe.http = HttpResult{};
  probe.timer = loop_.call_at(probe.deadline, [this, &probe] { on_timeout(probe); });
  running_.emplace(id, std::move(owned));
  start_hop(probe);
}

void HttpRunner::start_hop(Probe& probe) {
  probe.addresses.clear();
  probe.next_address = 0;
  probe.address.clear();
  probe.denied.clear();
  probe.connected = false;
  probe.status = 0;
  probe.location.clear();
  probe.http.body_bytes = 0;
  probe.http.truncated = false;
  HttpHop hop;
  hop.url = to_string(probe.url);
  probe.http.hops.push_back(std::move(hop));

  const SteadyTime now = probe.http.hops.size() == 1 ? probe.started : loop_.clock_now();
  const std::string_view host = bare_host(probe.url);
  const char last = host.back();
  if ((last >= '0' && last <= '9') || host.find(':') != std::string_view::npos) {
    if (auto literal = parse_address(host, probe.url.port)) {
      probe.times.begin(HttpStage::connecting, now);
      connect(probe, {*literal});
      return;
    }
  }
  probe.times.begin(HttpStage::resolving, now);
  if (const auto known = resolver_.resolve(probe, host, probe.deadline)) on_resolved(probe, *known);
}

void HttpRunner::on_resolved(Probe& probe, const Resolution& resolution) {
  if (resolution.addresses.empty()) {
    count_local_failure(failures_, resolution.os_error);
    fail(probe, resolution.failure, resolution.message);
    return;
  }
  probe.times.enter(HttpStage::connecting, loop_.clock_now());
  connect(probe, resolution.addresses);
}

// Judged here so that the next address gets its turn, and again when the socket is opened, where
// it counts.
void HttpRunner::connect(Probe& probe, const std::vector<Address>& addresses) {
  const AddressPolicy& policy = environment_.address_policy;
  for (Address address : addresses) {
    if (probe.addresses.size() >= kAddressesTriedMax) break;
    address.port = probe.url.port;
    if (policy.allows(address)) {
      probe.addresses.push_back(address);
    } else if (probe.denied.empty()) {
      probe.denied = policy.judge(address).message;
    }
  }
  if (probe.addresses.empty()) {
    fail(probe, FailureKind::denied, probe.denied);
    return;
  }
  probe.denied.clear();
  connect_next(probe);
}

void HttpRunner::connect_next(Probe& probe) {
  const Address& address = probe.addresses[probe.next_address++];
  probe.address = address.to_string();
  // Whatever host and port the URL names, this is where it goes.
  probe.connect_to.assign("::").append(probe.address);
  probe.connect_to_list.data = probe.connect_to.data();
  probe.os_error = 0;
  probe.header_bytes = 0;
  probe.in_headers = true;
  probe.headers_too_large = false;
  probe.enough = false;
  probe.error_text[0] = '\0';
  const std::size_t left = probe.addresses.size() - probe.next_address;
  if (left > 0) {
    const SteadyTime now = loop_.clock_now();
    const auto share = (probe.deadline - now) / static_cast<int>(left + 1);
    probe.address_timer =
        loop_.call_at(now + std::max<SteadyTime::duration>(share, kAddressTimeMin),
                      [this, &probe] { on_address_timeout(probe); });
  }
  if (curl_easy_setopt(probe.easy, CURLOPT_URL, probe.http.hops.back().url.c_str()) != CURLE_OK ||
      !multi_.add(probe.easy)) {
    fail(probe, FailureKind::internal, "libcurl does not start the transfer");
    return;
  }
  probe.transferring = true;
}

void HttpRunner::on_address_timeout(Probe& probe) {
  probe.address_timer = 0;
  if (probe.times.stage() != HttpStage::connecting) return;
  stop_transfer(probe);
  connect_next(probe);
}

void HttpRunner::on_timeout(Probe& probe) {
  probe.timer = 0;
  fail(probe, FailureKind::timeout,
       "timeout after " + std::to_string(probe.options->timeout.count()) + " ms " +
           std::string(to_phrase(probe.times.stage())));
}

void HttpRunner::on_action_end() {
  if (sending_.empty()) return;
  const SteadyTime now = loop_.clock_now();
  for (Probe* probe : sending_) {
    if (probe->times.stage() == HttpStage::sending) probe->times.enter(HttpStage::waiting, now);
  }
  sending_.clear();
}

HttpRunner::Probe* HttpRunner::owner_of(void* easy) {
  char* owner = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner);
  return reinterpret_cast<Probe*>(owner);
}

// libcurl may have handles of its own, which have no owner.
bool HttpRunner::is_urgent(void* easy) {
  const Probe* const probe = owner_of(easy);
  return probe != nullptr && is_high(probe->options->priority);
}

void HttpRunner::on_transfer_end(void* easy, int code) {
  Probe& probe = *owner_of(easy);
  probe.transferring = false;
  loop_.cancel(std::exchange(probe.address_timer, 0));

  if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && probe.enough)) {
    on_response(probe);
    return;
  }
  if (!probe.denied.empty()) {
    fail(probe, FailureKind::denied, probe.denied);
    return;
  }
  if (probe.headers_too_large ||
      // libcurl's own limit of one header line; it has no code of its own for that.
      (code == CURLE_OUT_OF_MEMORY && probe.times.stage() >= HttpStage::waiting)) {
    fail(probe, FailureKind::protocol,
         "the headers are over " + std::to_string(options_.header_bytes_max) + " bytes");
    return;
  }
  if (code == CURLE_COULDNT_CONNECT) {
    if (probe.os_error == 0) {
      // Only with this code: libcurl keeps an old one for later transfers.
      long os_error = 0;
      curl_easy_getinfo(probe.easy, CURLINFO_OS_ERRNO, &os_error);
      probe.os_error = static_cast<int>(os_error);
    }
    std::string what = "connecting to " + probe.address;
    if (probe.os_error != 0) what += ": " + std::generic_category().message(probe.os_error);
    if (is_agent_fault(probe.os_error)) {
      count_local_failure(failures_, probe.os_error);
      fail(probe, FailureKind::internal, std::move(what));
    } else if (probe.next_address < probe.addresses.size()) {
      connect_next(probe);
    } else {
      if (probe.addresses.size() > 1) {
        what += " (the last of " + std::to_string(probe.addresses.size()) + " addresses)";
      }
      fail(probe, FailureKind::connect, std::move(what));
    }
    return;
  }
  const CurlFault fault = curl_fault(code);
  std::string what(fault.what);
  if (probe.error_text[0] != '\0') what += ": " + sanitised(probe.error_text.data());
  // During the handshake whatever breaks is TLS's, but for our own faults.
  const bool handshake = probe.times.stage() == HttpStage::securing;
  fail(probe, handshake && fault.kind != FailureKind::internal ? FailureKind::tls : fault.kind,
       std::move(what));
}

void HttpRunner::on_response(Probe& probe) {
  if (!probe.location.empty()) {
    redirect(probe);
    return;
  }
  ProbeResult result;
  if (probe.status >= 200 && probe.status <= 399) {
    result.verdict = Verdict::passed;
  } else {
    result.verdict = Verdict::failed;
    result.failure = Failure{FailureKind::assertion, "status " + std::to_string(probe.status)};
  }
  finish(probe, std::move(result));
}

void HttpRunner::redirect(Probe& probe) {
  if (probe.http.hops.size() > options_.redirects_max) {
    fail(probe, FailureKind::protocol,
         "more than " + std::to_string(options_.redirects_max) + " redirects");
    return;
  }
  auto next = resolve_reference(probe.url, probe.location);
  if (!next) {
    fail(probe, FailureKind::protocol,
         "a redirect that cannot be followed: " + next.error().message());
    return;
  }
  end_hop(probe, loop_.clock_now());
  probe.url = std::move(*next);
  start_hop(probe);
}

void HttpRunner::end_hop(Probe& probe, SteadyTime now) {
  HttpHop& hop = probe.http.hops.back();
  hop.status = probe.status;
  if (probe.connected) hop.address = probe.address;
  hop.phases = probe.times.phases(now);
}

void HttpRunner::fail(Probe& probe, FailureKind kind, std::string message) {
  if (probe.http.hops.size() > 1)
    message += ", after " + std::to_string(probe.http.hops.size() - 1) + " redirects";
  finish(probe, failed_result(kind, std::move(message)));
}

void HttpRunner::finish(Probe& probe, ProbeResult result) {
  const SteadyTime now = loop_.clock_now();
  end_hop(probe, now);
  const HttpHop& last = probe.http.hops.back();
  result.address = last.address;
  result.started_at = probe.started_at;
  result.duration = std::chrono::duration_cast<microseconds>(now - probe.started);
  result.phases = last.phases;
  probe.http.status = last.status;
  probe.http.url = last.url;
  if (last.status != 0) {
    long version = 0;
    curl_easy_getinfo(probe.easy, CURLINFO_HTTP_VERSION, &version);
    probe.http.version = version == CURL_HTTP_VERSION_1_0   ? "1.0"
                         : version == CURL_HTTP_VERSION_1_1 ? "1.1"
                         : version == CURL_HTTP_VERSION_2_0 ? "2"
                                                            : "3";
  }
  result.http = std::move(probe.http);
  const std::uint64_t id = probe.id;
  stop(probe);
  release(running_.find(id));
  sink_.on_result(id, std::move(result));
}

void HttpRunner::stop_transfer(Probe& probe) {
  if (std::exchange(probe.transferring, false)) multi_.remove(probe.easy);
}

void HttpRunner::stop(Probe& probe) {
  resolver_.cancel(probe);
  stop_transfer(probe);
  loop_.cancel(std::exchange(probe.timer, 0));
  loop_.cancel(std::exchange(probe.address_timer, 0));
}

void HttpRunner::release(Running::iterator at) {
  pool_.push_back(std::move(at->second));
  running_.erase(at);
}

void HttpRunner::tell(ProbeWaits& waits, LocalFailures& failures) const {
  const SteadyTime now = loop_.now();
  for (const auto& one : running_) {
    const HttpHopTimes& times = one.second->times;
    switch (times.stage()) {
      case HttpStage::resolving:
        ++waits.dns;
        waits.dns_longest =
            std::max(waits.dns_longest,
                     std::chrono::duration_cast<milliseconds>(now - times.entered(times.stage())));
        break;
      case HttpStage::connecting:
        ++waits.connect;
        break;
      case HttpStage::securing:
        ++waits.tls;
        break;
      case HttpStage::sending:
      case HttpStage::waiting:
        ++waits.first_byte;
        break;
      case HttpStage::receiving:
        ++waits.receive;
        break;
    }
  }
  failures.ports += failures_.ports;
  failures.descriptors += failures_.descriptors;
  failures.memory += failures_.memory;
}

void HttpRunner::cancel(std::uint64_t id) {
  const auto found = running_.find(id);
  if (found == running_.end()) return;
  stop(*found->second);
  release(found);
}

// The bundle libcurl was built for, or where distributions keep theirs.
std::string system_ca_file() {
  const curl_version_info_data* const built = curl_version_info(CURLVERSION_NOW);
  for (const char* path :
       {built->cainfo, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}) {
    if (path != nullptr && access(path, R_OK) == 0) return path;
  }
  return {};
}

class HttpProber final : public Prober {
 public:
  explicit HttpProber(HttpProberOptions options) : options_(std::move(options)) {
    const auto check = [](const char* field, std::size_t value, std::size_t least,
                          std::size_t most) {
      if (value >= least && value <= most) return;
      throw std::invalid_argument("HttpProberOptions." + std::string(field) + ": " +
                                  std::to_string(value) + " is not within " +
                                  std::to_string(least) + " to " + std::to_string(most));
    };
    check("redirects_max", options_.redirects_max, 0, 100);
    check("body_bytes_max", options_.body_bytes_max, 0, std::size_t{1} << 40);
    check("header_bytes_max", options_.header_bytes_max, 1024, 256 * 1024);
    if (options_.user_agent.find_first_of("\r\n") != std::string::npos ||
        options_.user_agent.size() > 1024) {
      throw std::invalid_argument("HttpProberOptions.user_agent: one line of at most 1024 bytes");
    }
    if (options_.user_agent.empty()) options_.user_agent = "probekit/" + std::string(version());
    if (options_.ca_file.empty()) {
      options_.ca_file = system_ca_file();
    } else if (access(options_.ca_file.c_str(), R_OK) != 0) {
      throw std::invalid_argument("HttpProberOptions.ca_file: " + options_.ca_file +
                                  " cannot be read");
    }
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    if (ready != CURLE_OK) throw std::runtime_error("libcurl cannot be initialised");
  }

  const ProbeKind& kind() const noexcept override { return kind_; }
  std::unique_ptr<ProbeRunner> make_runner(ProbeLoop& loop, const ProbeEnvironment& environment,
                                           ProbeSink& sink) const override {
    return std::make_unique<HttpRunner>(loop, environment, sink, options_);
  }

 private:
  HttpProberOptions options_;
  const ProbeKind kind_ = *ProbeKinds().find("http");
};

}  // namespace

std::unique_ptr<Prober> make_http_prober(HttpProberOptions options) {
  return std::make_unique<HttpProber>(std::move(options));
}

std::unique_ptr<Prober> make_http_prober() { return make_http_prober(HttpProberOptions{}); }

}  // namespace probekit
