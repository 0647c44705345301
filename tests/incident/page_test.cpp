// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The page for people, as a person meets it: a real browser, real programs.
// PROBEKIT_PAGE_PICTURES: a folder to write pictures of the page to.

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/cluster.hpp"
#include "support/nginx.hpp"
#include "support/run_until.hpp"
#include "support/target_site.hpp"
#include "support/web_driver.hpp"

namespace probekit::test {
namespace {

using namespace std::chrono_literals;

// Without a browser there is nothing to see: the test says so and ends.
bool there_is_no_browser() {
  if (WebDriver::installed()) return false;
  WARN("skipped: install the Debian packages chromium and chromium-driver to test the page");
  return true;
}

void picture(const WebDriver& browser, const std::string& name, const std::string& scheme) {
  if (const char* folder = std::getenv("PROBEKIT_PAGE_PICTURES")) {
    browser.emulate("prefers-color-scheme", scheme);
    browser.viewport(1200, 760);
    browser.screenshot(std::string{folder} + "/" + name + ".png");
  }
}

void open_page(WebDriver& browser, const MasterProcess& master) {
  browser.viewport(1280, 800);
  browser.open(master.api_url() + "/");
  browser.wait_for("document.querySelector('#verdict').textContent !== 'asking'");
}

void check_no_complaint(const WebDriver& browser) {
  for (const auto& complaint : browser.complaints()) {
    // A version without schedules answers so, and the page hides them.
    if (complaint.find("/v1/schedules") == std::string::npos) FAIL_CHECK(complaint);
  }
}

// WCAG 2.1, 1.4.3: text against what is behind it. Returns what falls short.
constexpr char kContrast[] = R"(
  const channel = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parse = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const bad = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
    if (node.closest(':disabled') || ['SCRIPT', 'OPTION'].includes(node.tagName)) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.add(node.tagName + ' "' + node.textContent.slice(0, 40) + '" ' + ratio.toFixed(2));
  }
  return [...bad].join('; ');
)";

// What can be asked of every state of the page, in both colour schemes and on the narrowest phone.
void check_access(const WebDriver& browser) {
  for (const auto& control : browser.controls()) {
    INFO(control.html);
    CHECK_FALSE(control.label.empty());
  }
  for (const char* scheme : {"dark", "light"}) {
    INFO(scheme);
    browser.emulate("prefers-color-scheme", scheme);
    CHECK(browser.text(kContrast) == "");
  }
  browser.viewport(320, 640);
  CHECK(browser.text("const page = document.documentElement; "
                     "return page.scrollWidth - page.clientWidth") == "0");
  browser.viewport(1280, 800);
  CHECK(browser.text("return [...document.querySelectorAll('table th')]"
                     ".filter(one => !one.scope).length") == "0");
  CHECK(browser.text("return [...document.querySelectorAll('h1, h2, h3')]"
                     ".filter(one => one.checkVisibility() && !one.textContent.trim()).length") ==
        "0");
  CHECK(browser.text("return document.querySelectorAll('main').length") == "1");
}

// However often it is woken, it asks again only when the last answer of this kind is in.
void check_one_request_at_a_time(const WebDriver& browser) {
  browser.run("for (let i = 0; i < 20; ++i) document.dispatchEvent(new Event('visibilitychange'))");
  browser.wait_for("performance.getEntriesByName(new URL('v1/status', location)).length > 3");
  CHECK(browser.text("let end = 0; let overlaps = 0;"
                     "for (const one of performance.getEntriesByName(new URL('v1/status', "
                     "location))) { overlaps += one.startTime < end; end = one.responseEnd; }"
                     "return overlaps") == "0");
}

// Failures of two kinds among what passes.
std::string list_of(const TargetSite& site, int count) {
  std::string list = "# nightly\\n";
  for (int i = 0; i < count; ++i) {
    const std::string query = "?" + std::to_string(i);
    if (i % 10 == 3)
      list += site.url("/status/503" + query);
    else if (i % 20 == 7)
      list += "http://127.0.0.1:1/closed" + query;
    else
      list += site.url("/delay/20" + query);
    list += "\\n";
  }
  return list;
}

}  // namespace

TEST_CASE(
    "a list is imported on the page, watched to its end, its failures found, an agent's death told",
    "[incident][page]") {
  if (there_is_no_browser()) return;
  MasterProcess master;
  const TargetSite site;
  AgentProcess paris("paris-1", master.agents_url(), {"--tag", "region=eu", "--concurrency", "8"});
  AgentProcess tokyo("tokyo-1", master.agents_url(), {"--tag", "region=as", "--concurrency", "8"});
  master.wait_for_agents(2);
  WebDriver browser;
  open_page(browser, master);
  CHECK(browser.text("return document.querySelector('#master').textContent").find("memory") !=
        std::string::npos);
  browser.wait_for("document.querySelectorAll('#agents-table tbody tr').length === 2");

  // A list of this length is pasted, not typed.
  browser.run("document.querySelector('#import-text').value = '" + list_of(site, 2000) +
              "nonsense\\n'");
  browser.type("#import-name", "nightly");
  browser.click("#import-go");
  browser.wait_for("document.querySelector('#import-note a')");
  CHECK(browser.text("return document.querySelector('#import-note').textContent")
            .find("2,000 tasks accepted, 1 line rejected") == 0);
  CHECK(browser.text("return document.querySelector('#import-errors').textContent")
            .find("line 2002") != std::string::npos);
  browser.wait_for("document.querySelector('#batches-table tbody tr .chip')");
  browser.wait_for("Number(document.querySelector('#batches-table .bar').ariaValueNow) > 40");
  check_access(browser);

  browser.click("#import-note a");
  browser.wait_for(
      "document.querySelector('#opened-title').textContent === "
      "'Batch nightly'");
  browser.wait_for("document.querySelector('#opened-state').textContent === 'done'", 60s);
  browser.wait_for(
      "document.querySelector('#failures-note').textContent === "
      "'Grouped from 300 failures.'");
  browser.wait_for("document.querySelector('#ends').textContent.includes('failed: connect100')");
  CHECK(browser.text("return document.querySelectorAll('#failures tbody tr').length") == "2");
  CHECK(browser.text("return document.querySelector('#failures').textContent")
            .find("connecting to ADDRESS") != std::string::npos);
  CHECK(browser.text("return document.querySelectorAll('#results-table tbody tr').length") ==
        "100");
  picture(browser, "batch", "dark");
  check_access(browser);

  // Group by agent, and pick the refused connections of one.
  browser.run(
      "const by = document.querySelector('#group-by'); by.value = 'message';"
      "by.dispatchEvent(new Event('change'))");
  browser.run(
      "[...document.querySelectorAll('#failures tbody tr')]"
      ".find(row => row.textContent.includes('connect'))"
      ".querySelector('button').click()");
  browser.wait_for(
      "document.querySelector('#results-note').textContent.startsWith("
      "'100 results fit')");
  CHECK(browser.text("return [...document.querySelectorAll('#results-table tbody tr')]"
                     ".every(row => row.textContent.includes('connect:'))") == "true");
  browser.click("#results-table tbody tr button");
  browser.wait_for("document.querySelector('#results-table .detail pre')");
  CHECK(browser.text("return document.querySelector('#results-table button').ariaExpanded") ==
        "true");
  check_access(browser);

  // Pages, forth and back.
  browser.run(
      "const form = document.querySelector('#results-filter'); form.reset();"
      "document.querySelector('#results-verdict').dispatchEvent("
      "new Event('input', {bubbles: true}))");
  const auto at = [&](const std::string& range) {
    browser.wait_for(
        "document.querySelector('#results-pager').textContent.endsWith('" + range +
        "') && document.querySelectorAll('#results-table tbody tr:not(.detail)').length === 100");
    return browser.text("return document.querySelector('#results-table tbody tr').textContent");
  };
  const auto first = at("1–100");
  browser.click("#results-pager button:nth-child(2)");
  CHECK(at("101–200") != first);
  browser.click("#results-pager button:nth-child(1)");
  CHECK(at("1–100") == first);
  CHECK(browser.text("return [...document.querySelectorAll('a[href^=\"http:\"][target]')]"
                     ".every(link => link.relList.contains('noopener'))") == "true");

  check_one_request_at_a_time(browser);

  // An agent dies in the midst of another batch: its row says so, and why.
  browser.click(".back a");
  browser.run("document.querySelector('#import-text').value = '" + list_of(site, 6000) + "'");
  browser.run("document.querySelector('#import-name').value = 'weekly'");
  browser.click("#import-go");
  browser.wait_for("document.querySelectorAll('#batches-table tbody tr').length === 2");
  browser.wait_for("Number(document.querySelector('#batches-table .bar').ariaValueNow) > 5");
  tokyo.process().signal(SIGKILL);
  const std::string row = "document.querySelector('[data-agent=tokyo-1]')";
  browser.wait_for(row + ".querySelector('.chip').textContent === 'disconnected'");
  CHECK(browser.text("return " + row + ".className") == "trouble");
  const auto shown = master.agent("tokyo-1");
  const auto reason = text_at(*shown.find("last_disconnect"), "reason");
  CHECK(browser.text("return " + row + ".textContent").find(reason) != std::string::npos);
  browser.run("scrollTo(0, 0)");
  picture(browser, "overview", "light");
  browser.run(
      "const one = document.querySelector('#agents-healthy'); one.value = 'false';"
      "one.dispatchEvent(new Event('input', {bubbles: true}))");
  browser.wait_for(
      "document.querySelector('#agents-count').textContent === "
      "'1 shown by the filter'");
  CHECK(browser.text("return [...document.querySelectorAll('#agents-table tbody tr')]"
                     ".map(row => row.dataset.agent).join()") == "tokyo-1");
  check_access(browser);
  check_no_complaint(browser);
}

TEST_CASE("a file is imported on the page and cancelled after a question", "[incident][page]") {
  if (there_is_no_browser()) return;
  MasterProcess master;
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/list.ndjson";
  std::ofstream(path) << "{\"target\":\"http://127.0.0.1:1/a\"}\n{\"target\":\"dns:b.example\"}\n";
  WebDriver browser;
  open_page(browser, master);
  browser.type("#import-file", path);
  browser.type("#import-timeout", "700");
  browser.type("#import-name", "<b>bold</b>");
  browser.click("#import-go");
  browser.wait_for("document.querySelector('#import-note a')");
  browser.wait_for("document.querySelector('#verdict').textContent === 'no agents'");
  CHECK(browser.text("return document.querySelector('#verdict').className") == "chip bad");
  browser.click("#import-note a");
  browser.wait_for("document.querySelector('#opened-state').textContent === 'running'");

  // Text from outside stays text.
  CHECK(browser.text("return document.querySelector('#opened-title').textContent") ==
        "Batch <b>bold</b>");

  browser.click("#opened-cancel");
  browser.wait_for("document.activeElement.id === 'cancel-no'");
  check_access(browser);
  browser.press("\xEE\x80\x8C");  // Escape
  browser.wait_for("!document.querySelector('#cancel-dialog').open");
  CHECK(browser.text("return document.querySelector('#opened-state').textContent") == "running");
  browser.click("#opened-cancel");
  browser.click("#cancel-yes");
  browser.wait_for("document.querySelector('#opened-state').textContent === 'cancelled'");
  browser.wait_for("document.querySelectorAll('#results-table tbody tr').length === 2");

  // What the API refuses is told as the API tells it.
  browser.click(".back a");
  browser.type("#import-text", "nonsense");
  browser.click("#import-go");
  browser.wait_for("document.querySelector('#import-note').className.includes('bad')");
  CHECK(
      browser.text("return document.querySelector('#import-errors').textContent").find("line 1") ==
      0);
  // The browser itself logs each answer that is an error.
  for (const auto& complaint : browser.complaints()) {
    INFO(complaint);
    CHECK(complaint.find("Failed to load resource") != std::string::npos);
  }
}

TEST_CASE("the page asks for a token and keeps it until it is told to forget", "[incident][page]") {
  if (there_is_no_browser()) return;
  const TemporaryFolder folder;
  const std::string tokens = folder.path() + "/tokens";
  std::ofstream(tokens) << "let-me-in-0123456789\n";
  MasterProcess master({"--api-token-file", tokens});
  // Below a path of a proxy, as it may well be where tokens are.
  NginxOptions options;
  options.upstream_port = master.agents_port();
  options.locations = "location /probes/ { proxy_set_header Host $http_host; proxy_pass " +
                      master.api_url() + "/; }\n";
  const Nginx nginx{options};
  WebDriver browser;
  browser.viewport(1280, 800);
  browser.open("http://127.0.0.1:" + std::to_string(nginx.port()) + "/probes/");
  browser.wait_for("document.querySelector('#token-dialog').open");
  CHECK(browser.text("return document.querySelector('#verdict').textContent") == "asking");
  CHECK(browser.text("return document.activeElement.id") == "token-input");
  check_access(browser);
  browser.press("\xEE\x80\x8C");  // Escape
  browser.press("\xEE\x80\x8C");
  browser.wait_for("document.querySelector('#token-dialog').open");

  browser.type("#token-input", "wrong\xEE\x80\x87");  // Enter
  browser.wait_for(
      "document.querySelector('#token-text').textContent === "
      "'That token is not accepted.'");
  browser.type("#token-input", "let-me-in-0123456789\xEE\x80\x87");
  browser.wait_for("document.querySelector('#verdict').textContent === 'no agents'");
  CHECK(browser.text("return document.querySelector('#token-dialog').open") == "false");
  browser.type("#import-text", "http://127.0.0.1:1/");
  browser.click("#import-go");
  browser.wait_for("document.querySelector('#import-note a')");

  browser.run("location.reload()");
  browser.wait_for("document.querySelectorAll('#batches-table tbody tr').length === 1");
  browser.click("#forget-token");
  browser.wait_for(
      "document.querySelector('#token-dialog').open && "
      "document.querySelector('#verdict').textContent === 'asking'");
  CHECK(browser.text("return sessionStorage.length") == "0");
}

TEST_CASE("a probe's phases are shown, and that the master is gone", "[incident][page]") {
  if (there_is_no_browser()) return;
  MasterProcess master;
  const TargetSite site;
  AgentProcess here("here", master.agents_url());
  master.wait_for_agents(1);
  WebDriver browser;
  open_page(browser, master);
  // By keyboard alone.
  browser.type("#probe-target", site.url("/delay/50"));
  browser.press("\xEE\x80\x84");  // Tab
  CHECK(browser.text("return document.activeElement.id") == "probe-agents");
  browser.press("\xEE\x80\x87");  // Enter
  browser.wait_for("document.querySelector('#probe-note').textContent === 'The probe passed.'");
  CHECK(browser.text("return document.querySelector('#probe-results').innerText")
            .find("first byte") != std::string::npos);
  CHECK(browser.text("return document.querySelectorAll('#probe-results .track span').length") >=
        "4");
  check_access(browser);

  check_no_complaint(browser);

  master.process().signal(SIGKILL);
  browser.wait_for("document.querySelector('#verdict').textContent === 'unreachable'");
  check_access(browser);
}

}  // namespace probekit::test
