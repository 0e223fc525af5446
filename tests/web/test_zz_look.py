import json, os, re
from pathlib import Path
import pytest
from scripts import make_practice, web
OUT=Path("/tmp/words_shots"); OUT.mkdir(exist_ok=True)
DECK=json.loads(make_practice.DECK.read_text("utf-8"))["cards"]
LANGS=os.environ.get("LOOK","ar,fr,en-XA").split(",")
OVER="""() => [...document.querySelectorAll("main *, nav *, header *")].filter((p) => { const r=p.getBoundingClientRect(); return (r.left < -1 || r.right > innerWidth+1) && !p.closest(".unseen"); }).map(p=>p.tagName+"."+p.className+":"+(p.innerText||"").slice(0,60)).slice(0,8)"""
@pytest.mark.parametrize("code", LANGS)
def test_look(station_server, open_page, world, page_words, code):
    W = page_words.ask("pseudo", {"language": code}).result if "-X" in code else json.loads((web.FOLDER.parent/"data"/f"{code}.json").read_text("utf-8"))
    phone = open_page(station_server.url, language=code, dark=os.environ.get("DARK")=="1")
    P=W["phone"]["practice"]; S=W["phone"]["settings"]
    big=os.environ.get("BIG")
    n=[0]
    def shot(name):
        if big: phone.page.evaluate("document.documentElement.style.fontSize='200%'")
        n[0]+=1
        phone.page.screenshot(path=str(OUT/f"{code}-{n[0]:02d}-{name}.png"), full_page=True)
        over=phone.page.evaluate(OVER)
        if over: print("OVER",code,name,over)
    def touch(label, exact=False):
        phone.page.get_by_role("button", name=label, exact=exact).first.click()
    def sees(h): phone.page.get_by_role("heading", name=h).first.wait_for()
    sees(P["proves"]["title"]); shot("proves"); touch(P["next"])
    sees(P["privacy"]["title"]); shot("privacy"); touch(P["next"])
    sees(P["station"]["title"]); shot("station"); touch(S["posts"]["desk"])
    for i,made in enumerate(DECK[:5]):
        c=P["cards"][made["name"]]
        phone.page.get_by_text(c["story"]).wait_for(); shot("drill-"+made["name"])
        if i==0:
            touch(c["other"]); phone.page.get_by_text(c["other_why"]).first.wait_for(); shot("drill-wrong")
        touch(c["right"])
    sees(P["over"]); shot("over"); touch(P["start"])
    A=W["phone"]["app"]
    phone.page.get_by_text(W["phone"]["scan"]["text_summary"]).wait_for(); phone.page.wait_for_timeout(500); shot("scan")
    pass
    for name in ("confirmed","withdrawn","young","unreadable","altered"):
        if name!="confirmed": pass
        s=phone.page.get_by_text(W["phone"]["scan"]["text_summary"])
        ta=phone.page.locator("textarea").first
        if not ta.is_visible(): s.click()
        ta.fill(world.cards[name].text if name!="unreadable" else "HC1:6BFOXN")
        touch(W["page"]["check"], True)
        phone.wait_until("word", lambda: W["states"][world.cards[name].state if name!="unreadable" else "unreadable"]["word"] in phone.seen())
        shot("result-"+name)
        phone.page.evaluate("document.querySelectorAll('details').forEach((d) => {d.open = true})")
        shot("result-open-"+name)
        touch(W["page"]["again"])
        phone.page.get_by_text(W["phone"]["scan"]["text_summary"]).wait_for()
    touch(A["tabs"]["lists"], True); phone.page.wait_for_timeout(800)
    shot("lists")
    phone.page.evaluate("document.querySelectorAll('details').forEach((d) => {d.open = true})")
    shot("lists-open")
    touch(A["tabs"]["settings"], True); sees(S["title"]); shot("settings")
    print(code, phone.messages)
