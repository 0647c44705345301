// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/web_driver.hpp"

#include <unistd.h>

#include <cstdint>
#include <fstream>

#include "json/json_writer.hpp"
#include "probekit/clock.hpp"
#include "support/run_until.hpp"

namespace probekit::test {
namespace {

constexpr char kBrowser[] = "/usr/bin/chromium";
constexpr char kDriver[] = "/usr/bin/chromedriver";
// Web Driver, section 11: what names an element in JSON.
constexpr char kElement[] = "element-6066-11e4-a52e-4f735466cecf";

std::string quoted(const std::string& text) {
  std::string out;
  json::Writer(out).string(text);
  return out;
}

std::string decode_base64(const std::string& text) {
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const auto value = alphabet.find(c);
    if (value == std::string::npos) break;
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes += static_cast<char>(bits >> held & 0xff);
    }
  }
  return bytes;
}

}  // namespace

bool WebDriver::installed() { return access(kBrowser, X_OK) == 0 && access(kDriver, X_OK) == 0; }

WebDriver::WebDriver() {
  process_ =
      std::make_unique<Process>(std::vector<std::string>{kDriver, "--port=0"}, folder_.path());
  const auto line = process_->expect_line("ChromeDriver was started successfully on port ");
  client_ = std::make_unique<ApiClient>("http://127.0.0.1:" + std::to_string(std::stoi(line)));
  // Over a pipe the browser ends with its driver. It cannot have its sandbox as root.
  const auto made = call("POST", "/session",
                         R"({"capabilities":{"alwaysMatch":{"goog:loggingPrefs":{"browser":"ALL"},)"
                         R"("goog:chromeOptions":{"binary":)" +
                             quoted(kBrowser) +
                             R"(,"args":["--headless=new","--no-sandbox","--disable-gpu",)"
                             R"("--disable-dev-shm-usage","--remote-debugging-pipe",)"
                             R"("--no-proxy-server","--user-data-dir=)" +
                             folder_.path() + R"(/profile"]}}}})");
  session_ = "/session/" + text_at(made, "sessionId");
}

WebDriver::~WebDriver() {
  if (!session_.empty()) client_->request("DELETE", session_);
}

json::Value WebDriver::call(const std::string& method, const std::string& path,
                            const std::string& body) const {
  const auto answer = client_->request(method, session_ + path, "application/json", body);
  if (answer.status != 200) FAIL(method << ' ' << path << ": " << answer.body.substr(0, 600));
  const auto value = answer.json();
  return *value.find("value");
}

json::Value WebDriver::chromium(const std::string& command, const std::string& parameters) const {
  return call("POST", "/goog/cdp/execute",
              R"({"cmd":)" + quoted(command) + R"(,"params":)" + parameters + "}");
}

std::string WebDriver::element(const std::string& selector) const {
  return text_at(
      call("POST", "/element", R"({"using":"css selector","value":)" + quoted(selector) + "}"),
      kElement);
}

void WebDriver::open(const std::string& url) {
  call("POST", "/url", R"({"url":)" + quoted(url) + "}");
}

json::Value WebDriver::run(const std::string& script) const {
  return call("POST", "/execute/sync", R"({"script":)" + quoted(script) + R"(,"args":[]})");
}

std::string WebDriver::text(const std::string& script) const {
  const auto value = run(script);
  if (value.is_null()) return "";
  return value.as_string() ? *value.as_string() : value.to_json();
}

void WebDriver::wait_for(const std::string& expression, std::chrono::milliseconds timeout,
                         const char* file, int line) const {
  const SteadyTime end = system_clock()->steady_now() + timeout;
  run_until(
      [&] {
        if (run("return Boolean(" + expression + ")").as_bool() == true) return true;
        if (system_clock()->steady_now() < end) return false;
        FAIL(file << ':' << line << ": did not come true: " << expression
                  << "\nThe page: " << text("return document.body.innerText").substr(0, 4000));
        return false;
      },
      timeout + std::chrono::seconds(60), file, line);
}

void WebDriver::click(const std::string& selector) const {
  call("POST", "/element/" + element(selector) + "/click");
}

void WebDriver::type(const std::string& selector, const std::string& text) const {
  call("POST", "/element/" + element(selector) + "/value", R"({"text":)" + quoted(text) + "}");
}

void WebDriver::press(const std::string& keys) const {
  const auto focused = call("GET", "/element/active");
  call("POST", "/element/" + text_at(focused, kElement) + "/value",
       R"({"text":)" + quoted(keys) + "}");
}

void WebDriver::viewport(int width, int height) const {
  chromium("Emulation.setDeviceMetricsOverride", R"({"width":)" + std::to_string(width) +
                                                     R"(,"height":)" + std::to_string(height) +
                                                     R"(,"deviceScaleFactor":1,"mobile":false})");
}

void WebDriver::emulate(const std::string& feature, const std::string& value) const {
  chromium("Emulation.setEmulatedMedia",
           R"({"features":[{"name":)" + quoted(feature) + R"(,"value":)" + quoted(value) + "}]}");
}

void WebDriver::screenshot(const std::string& path) const {
  const auto picture = call("GET", "/screenshot");
  std::ofstream file(path, std::ios::binary);
  file << decode_base64(*picture.as_string());
  REQUIRE(file.flush());
}

std::vector<WebDriver::Control> WebDriver::controls() const {
  const auto found =
      run("const root = document.querySelector('dialog:modal') || document;"
          "return [...root.querySelectorAll('a, button, input, select, textarea, "
          "[tabindex=\"0\"]')]"
          ".filter(one => one.checkVisibility())"
          ".map(one => [one, one.cloneNode(false).outerHTML.slice(0, 200)])");
  std::vector<Control> controls;
  for (const auto& pair : *found.as_array()) {
    const auto id = text_at(pair.as_array()->at(0), kElement);
    const auto label = call("GET", "/element/" + id + "/computedlabel");
    controls.push_back({*pair.as_array()->at(1).as_string(), *label.as_string()});
  }
  return controls;
}

std::vector<std::string> WebDriver::complaints() const {
  const auto log = call("POST", "/se/log", R"({"type":"browser"})");
  std::vector<std::string> complaints;
  for (const auto& entry : *log.as_array()) {
    const auto level = text_at(entry, "level");
    if (level == "SEVERE" || level == "WARNING") complaints.push_back(text_at(entry, "message"));
  }
  return complaints;
}

}  // namespace probekit::test
