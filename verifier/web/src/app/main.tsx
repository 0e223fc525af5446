/** Starts the page. */

import { render } from "preact";
import { pageWorker } from "../keep/page_worker.ts";
import { PhoneStation } from "../keep/phone_station.ts";
import { App } from "./app.tsx";
import "./styles.css";

const place = document.getElementById("app");
if (!place) throw new Error("no place for the page");
const station = await PhoneStation.open();
place.replaceChildren();
render(<App station={station} />, place);
void pageWorker.start();
