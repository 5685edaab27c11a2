// @ts-check
/** Sets the value of a field, unless somebody is in it: what they type isn't replaced by what others write. */

import { noChange } from "./lit-html/lit-html.js";
import { Directive, directive } from "./lit-html/directive.js";
import { setCommittedValue } from "./lit-html/directive-helpers.js";

class LeftAlone extends Directive {
  /** @param {unknown} value */
  render(value) {
    return value;
  }

  /** @param {any} part of a property @param {[unknown]} values @override */
  update(part, [value]) {
    const { element, name } = part;
    if (element === document.activeElement || element[name] === value) return noChange;
    setCommittedValue(part); // or a value that was set before wouldn't be set again
    return value;
  }
}

/** For `.value=${leftAlone(value)}`. */
export const leftAlone = directive(LeftAlone);
