// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/api_client_curl.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "probekit/clock.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* answer) {
  static_cast<ApiAnswer*>(answer)->body.append(bytes, size * count);
  return size * count;
}

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* answer) {
  const std::string line{bytes, size * count};
  if (const auto colon = line.find(':'); colon != std::string::npos) {
    auto name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const auto first = line.find_first_not_of(" \t", colon + 1);
    const auto last = line.find_last_not_of(" \t\r\n");
    static_cast<ApiAnswer*>(answer)->headers[name] =
        first == std::string::npos || last < first ? "" : line.substr(first, last - first + 1);
  }
  return size * count;
}

}  // namespace

json::Value ApiAnswer::json() const {
  auto value = json::Value::parse(body);
  if (!value) FAIL("not JSON: " << body.substr(0, 200));
  return std::move(*value);
}

ApiClient::ApiClient(std::string base) : base_(std::move(base)) {}

ApiAnswer ApiClient::request(const std::string& method, const std::string& path,
                             const std::string& content_type, const std::string& body,
                             const std::vector<std::string>& headers) const {
  const std::unique_ptr<CURL, void (*)(CURL*)> easy{curl_easy_init(), curl_easy_cleanup};
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  if (!content_type.empty())
    list = curl_slist_append(list, ("Content-Type: " + content_type).c_str());
  for (const auto& header : headers) list = curl_slist_append(list, header.c_str());
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> owned{list, curl_slist_free_all};
  ApiAnswer answer;
  curl_easy_setopt(easy.get(), CURLOPT_URL, (base_ + path).c_str());
  curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy.get(), CURLOPT_PROXY, "");
  curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT_MS, 120'000L);
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &answer);
  curl_easy_setopt(easy.get(), CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy.get(), CURLOPT_HEADERDATA, &answer);
  if (method != "GET") {
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, body.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(easy.get(), CURLOPT_CUSTOMREQUEST, method.c_str());
  }
  const auto code = curl_easy_perform(easy.get());
  long status = 0;
  curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
  answer.status = static_cast<int>(status);
  if (code != CURLE_OK && status == 0)
    FAIL(method << ' ' << path << ": " << curl_easy_strerror(code));
  return answer;
}

std::string ApiClient::import(const std::vector<std::string>& targets,
                              const std::string& query) const {
  std::string body;
  for (const auto& target : targets) body += target + '\n';
  const auto answer = request("POST", "/v1/batches" + query, "text/plain", body);
  if (answer.status != 201) FAIL("import: " << answer.status << ' ' << answer.body);
  const auto made = answer.json();
  REQUIRE(number_at(made, "accepted") == targets.size());
  return text_at(made, "id");
}

BatchCounts ApiClient::batch(const std::string& id) const {
  const auto answer = get("/v1/batches/" + id);
  if (answer.status != 200) FAIL("batch " << id << ": " << answer.status << ' ' << answer.body);
  const auto value = answer.json();
  BatchCounts counts;
  counts.state = text_at(value, "state");
  counts.accepted = number_at(value, "accepted");
  counts.rejected = number_at(value, "rejected");
  counts.queued = number_at(value, "queued");
  counts.in_flight = number_at(value, "in_flight");
  counts.done = number_at(value, "done");
  counts.expired = number_at(value, "expired");
  counts.cancelled = number_at(value, "cancelled");
  counts.passed = number_at(value, "passed");
  counts.failed = number_at(value, "failed");
  if (!counts.balanced()) FAIL("the ledger does not close: " << answer.body);
  return counts;
}

BatchCounts ApiClient::wait_for(const std::string& id, std::chrono::milliseconds timeout) const {
  BatchCounts counts;
  const auto end = system_clock()->steady_now() + timeout;
  do {
    counts = batch(id);
    if (counts.state == "done" || counts.state == "cancelled") return counts;
    poll(nullptr, 0, 20);
  } while (system_clock()->steady_now() < end);
  FAIL("batch " << id << " did not end: queued " << counts.queued << ", in flight "
                << counts.in_flight << ", done " << counts.done);
  return counts;
}

std::vector<json::Value> ApiClient::results(const std::string& id) const {
  std::vector<json::Value> lines;
  std::string cursor;
  for (;;) {
    const auto page = get("/v1/batches/" + id + "/results?limit=10000" +
                          (cursor.empty() ? "" : "&after=" + cursor));
    if (page.status != 200) FAIL("results: " << page.status << ' ' << page.body);
    for (std::size_t start = 0; start < page.body.size();) {
      const auto end = page.body.find('\n', start);
      auto line = json::Value::parse(std::string_view{page.body}.substr(start, end - start));
      if (!line) FAIL("result line: " << page.body.substr(start, 200));
      lines.push_back(std::move(*line));
      if (end == std::string::npos) break;
      start = end + 1;
    }
    const auto next = page.headers.find("probekit-next-cursor");
    if (next == page.headers.end()) return lines;
    if (next->second == cursor) FAIL("the cursor of " << id << " does not move");
    cursor = next->second;
  }
}

std::string text_at(const json::Value& value, const std::string& member) {
  const auto* found = value.find(member);
  if (found == nullptr) FAIL("no member " << member << " in " << value.to_json());
  if (const auto* text = found->as_string()) return *text;
  return found->to_json();
}

std::uint64_t number_at(const json::Value& value, const std::string& member) {
  const auto* found = value.find(member);
  if (found == nullptr || !found->as_uint64())
    FAIL("no number " << member << " in " << value.to_json());
  return *found->as_uint64();
}

}  // namespace probekit::test
