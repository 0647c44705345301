// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "http_client_curl.hpp"

#include <curl/curl.h>
#include <strings.h>

#include <cctype>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace examples {
namespace {

constexpr char kCursorHeader[] = "Probekit-Next-Cursor:";

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* response) {
  static_cast<HttpResponse*>(response)->body.append(bytes, size * count);
  return size * count;
}

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* response) {
  const std::size_t length = size * count;
  const std::size_t name = sizeof kCursorHeader - 1;
  if (length > name && strncasecmp(bytes, kCursorHeader, name) == 0) {
    std::string value{bytes + name, length - name};
    value.erase(0, value.find_first_not_of(" \t"));
    value.erase(value.find_last_not_of(" \t\r\n") + 1);
    static_cast<HttpResponse*>(response)->next_cursor = value;
  }
  return length;
}

}  // namespace

struct HttpClient::Impl {
  std::string base;
  std::function<bool()> stopped;
  std::function<std::size_t(char*, std::size_t)> read;
  CURL* easy = nullptr;
  bool sent_whole = false;  // the body of a POST

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    const auto& impl = *static_cast<Impl*>(self);
    return !impl.sent_whole && impl.stopped() ? 1 : 0;
  }
  static std::size_t on_read(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& impl = *static_cast<Impl*>(self);
    const std::size_t given = impl.read(bytes, size * count);
    // The end of input may be the same signal's doing: then it is not the end of the list.
    if (impl.stopped()) return CURL_READFUNC_ABORT;
    impl.sent_whole = given == 0;
    return given;
  }

  void prepare(const std::string& path, HttpResponse& response) {
    curl_easy_reset(easy);
    sent_whole = false;
    curl_easy_setopt(easy, CURLOPT_URL, (base + path).c_str());
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &response);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &response);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, this);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
  }

  HttpResponse perform(HttpResponse& response) {
    const auto code = curl_easy_perform(easy);
    if (code == CURLE_ABORTED_BY_CALLBACK) throw Interrupted{};
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    // A master that refuses an upload early may close before it was all sent: its answer counts.
    if (code != CURLE_OK && status < 400)
      throw std::runtime_error(base + ": " + curl_easy_strerror(code) +
                               (sent_whole ? "; all was sent and may have been taken" : ""));
    response.status = static_cast<int>(status);
    return std::move(response);
  }
};

HttpClient::HttpClient(std::string base, std::function<bool()> stopped)
    : impl_(std::make_unique<Impl>()) {
  while (!base.empty() && base.back() == '/') base.pop_back();
  impl_->base = std::move(base);
  impl_->stopped = std::move(stopped);
  impl_->easy = curl_easy_init();
  if (impl_->easy == nullptr) throw std::runtime_error("libcurl cannot start");
}

HttpClient::~HttpClient() { curl_easy_cleanup(impl_->easy); }

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

HttpResponse HttpClient::post(const std::string& path, const std::string& content_type,
                              std::function<std::size_t(char*, std::size_t)> read) {
  HttpResponse response;
  impl_->prepare(path, response);
  impl_->read = std::move(read);
  curl_slist* headers = curl_slist_append(nullptr, ("Content-Type: " + content_type).c_str());
  headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
  curl_easy_setopt(impl_->easy, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(impl_->easy, CURLOPT_POST, 1L);
  curl_easy_setopt(impl_->easy, CURLOPT_READFUNCTION, Impl::on_read);
  curl_easy_setopt(impl_->easy, CURLOPT_READDATA, impl_.get());
  struct Free {
    curl_slist* list;
    ~Free() { curl_slist_free_all(list); }
  } const free_headers{headers};
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
