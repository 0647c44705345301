// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "http_client_curl.hpp"

#include <curl/curl.h>
#include <strings.h>

#include <array>
#include <cctype>
#include <cstring>
#include <utility>

namespace examples {
namespace {

constexpr int kWakeMs = 1000;

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* response) {
  static_cast<HttpResponse*>(response)->body.append(bytes, size * count);
  return size * count;
}

void take_value(const char* bytes, std::size_t length, const char* header, std::string& value) {
  const std::size_t name = std::strlen(header);
  if (length <= name || strncasecmp(bytes, header, name) != 0) return;
  value.assign(bytes + name, length - name);
  value.erase(0, value.find_first_not_of(" \t"));
  value.erase(value.find_last_not_of(" \t\r\n") + 1);
}

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* given) {
  auto& response = *static_cast<HttpResponse*>(given);
  take_value(bytes, size * count, "Probekit-Next-Cursor:", response.next_cursor);
  take_value(bytes, size * count, "Retry-After:", response.retry_after);
  return size * count;
}

}  // namespace

struct HttpClient::Impl {
  HttpClientOptions options;
  const StopSignal& stop_signal;
  CURLM* multi = nullptr;
  CURL* easy = nullptr;
  std::array<char, CURL_ERROR_SIZE> words{};  // libcurl's, of what went wrong
  HttpBody body;
  bool signals_ignored = false;
  bool sent_whole = false;  // the body of a POST
  bool paused = false;      // it waits for the body's next bytes

  Impl(HttpClientOptions given, const StopSignal& signal)
      : options(std::move(given)), stop_signal(signal) {}

  static std::size_t on_read(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& impl = *static_cast<Impl*>(self);
    const auto given = impl.body.read(bytes, size * count);
    // The end of input may be the same signal's doing: then it is not the end of the list.
    if (impl.interrupted()) return CURL_READFUNC_ABORT;
    impl.paused = !given;
    impl.sent_whole = given == std::size_t{0};
    return given ? *given : CURL_READFUNC_PAUSE;
  }

  bool interruptible() const { return !signals_ignored && !sent_whole; }
  bool interrupted() const { return interruptible() && stop_signal.stopped(); }

  void prepare(const std::string& path, HttpResponse& response) {
    curl_easy_reset(easy);
    sent_whole = paused = false;
    curl_easy_setopt(easy, CURLOPT_URL, (options.base + path).c_str());
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &response);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &response);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    words.front() = '\0';
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, words.data());
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (!options.token.empty()) {
      curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
      curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, options.token.c_str());
    }
    if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  }

  // Of certificates libcurl knows more than its code tells.
  std::string certificate_fault(CURLcode code) const {
    if (code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_SSL_CACERT_BADFILE) return {};
    return std::string{" ("} + words.data() + "; --ca-file)";
  }

  // Waits for the connection, the body's next bytes or a signal.
  void wait() {
    curl_waitfd more[2]{};
    unsigned count = 0;
    if (interruptible()) more[count++] = {stop_signal.fd(), CURL_WAIT_POLLIN, 0};
    if (paused) more[count++] = {body.fd, CURL_WAIT_POLLIN, 0};
    curl_multi_poll(multi, more, count, kWakeMs, nullptr);
    if (paused) {
      paused = false;
      curl_easy_pause(easy, CURLPAUSE_CONT);
    }
  }

  HttpResponse perform(HttpResponse& response) {
    struct Added {
      Impl& impl;
      explicit Added(Impl& owner) : impl(owner) { curl_multi_add_handle(impl.multi, impl.easy); }
      ~Added() { curl_multi_remove_handle(impl.multi, impl.easy); }
    } const added{*this};
    for (int running = 1; running != 0;) {
      if (const auto fault = curl_multi_perform(multi, &running); fault != CURLM_OK)
        throw std::runtime_error(curl_multi_strerror(fault));
      if (running != 0) wait();
      if (interrupted()) throw Interrupted{};
    }
    int left = 0;
    const CURLMsg* const ended = curl_multi_info_read(multi, &left);
    const CURLcode code = ended == nullptr ? CURLE_FAILED_INIT : ended->data.result;
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    // A master that refuses an upload early may close before it was all sent: its answer counts.
    if (code != CURLE_OK && (status < 400 || response.body.empty()))
      throw Broken(options.base + ": " + curl_easy_strerror(code) + certificate_fault(code),
                   code != CURLE_COULDNT_CONNECT && code != CURLE_COULDNT_RESOLVE_HOST &&
                       code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_SSL_CONNECT_ERROR &&
                       code != CURLE_URL_MALFORMAT && code != CURLE_SSL_CACERT_BADFILE,
                   sent_whole);
    response.status = static_cast<int>(status);
    return std::move(response);
  }
};

HttpClient::HttpClient(HttpClientOptions options, const StopSignal& stop_signal)
    : impl_(std::make_unique<Impl>(std::move(options), stop_signal)) {
  auto& base = impl_->options.base;
  while (!base.empty() && base.back() == '/') base.pop_back();
  impl_->multi = curl_multi_init();
  impl_->easy = curl_easy_init();
  if (impl_->multi == nullptr || impl_->easy == nullptr)
    throw std::runtime_error("libcurl cannot start");
}

HttpClient::~HttpClient() {
  curl_easy_cleanup(impl_->easy);
  curl_multi_cleanup(impl_->multi);
}

void HttpClient::ignore_signals() { impl_->signals_ignored = true; }

HttpResponse HttpClient::get(const std::string& path) {
  HttpResponse response;
  impl_->prepare(path, response);
  return impl_->perform(response);
}

HttpResponse HttpClient::remove(const std::string& path) {
  HttpResponse response;
  impl_->prepare(path, response);
  curl_easy_setopt(impl_->easy, CURLOPT_CUSTOMREQUEST, "DELETE");
  return impl_->perform(response);
}

HttpResponse HttpClient::post(const std::string& path, const std::vector<std::string>& headers,
                              HttpBody body) {
  HttpResponse response;
  impl_->prepare(path, response);
  impl_->body = std::move(body);
  struct List {
    curl_slist* head = nullptr;
    ~List() { curl_slist_free_all(head); }
  } list;
  list.head = curl_slist_append(list.head, "Transfer-Encoding: chunked");
  for (const auto& header : headers) list.head = curl_slist_append(list.head, header.c_str());
  curl_easy_setopt(impl_->easy, CURLOPT_HTTPHEADER, list.head);
  curl_easy_setopt(impl_->easy, CURLOPT_POST, 1L);
  curl_easy_setopt(impl_->easy, CURLOPT_READFUNCTION, Impl::on_read);
  curl_easy_setopt(impl_->easy, CURLOPT_READDATA, impl_.get());
  return impl_->perform(response);
}

std::string url_encode(const std::string& text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || std::strchr("-._~", c) != nullptr) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace examples
