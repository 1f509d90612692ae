'use strict';
/* A stand-in for the part of LuCI that reachd's pages use: the loader of modules with their
 * 'require' lines, E, _, rpc, view, poll, dom and ui, with what LuCI has had since 21.02. Written
 * for the tests; LuCI itself has far more, and other insides. */
(() => {
	const query = new URLSearchParams(location.search);
	let catalog = {};

	String.prototype.format = function (...args) {
		return this.replace(/%[sd]/g, () => String(args.shift()));
	};
	window._ = text => catalog[text] ?? text;

	/* As LuCI does: a string alone is HTML, and a list within a list is no list. */
	const append = (node, content) => {
		if (content != null && !Array.isArray(content) && !(content instanceof Node))
			node.innerHTML = String(content);
		else
			for (const one of [].concat(content ?? []))
				if (one != null)
					node.append(one instanceof Node ? one : document.createTextNode(String(one)));
		return node;
	};
	window.E = (tag, attributes, content) => {
		const node = document.createElement(tag);
		for (const [key, value] of Object.entries(attributes ?? {}))
			if (typeof value == 'function')
				node.addEventListener(key, value);
			else if (value != null)
				node.setAttribute(key, value);
		return append(node, content);
	};

	class Base {
		static extend(properties) {
			const Sub = class extends this {};
			Object.assign(Sub.prototype, properties);
			return Sub;
		}
	}

	const rpc = {
		declare({ object, method, params, reject }) {
			return async (...args) => {
				const given = Object.fromEntries((params ?? []).map((name, i) => [name, args[i]]));
				const reply = await fetch('/ubus', {
					method: 'POST', body: JSON.stringify({ object, method, params: given }),
				});
				const answer = await reply.json();
				if ('status' in answer && reject)
					throw new Error(`ubus status ${answer.status}`);
				// LuCI gives the bare status where a call answers with nothing.
				return Object.keys(answer.answer).length ? answer.answer : 0;
			};
		},
	};

	const page = document.getElementById('view');
	const notices = document.getElementById('notices');
	/* What a handler throws is dropped, and nobody hears of it. */
	const press = async (button, call) => {
		button.classList.add('spinning');
		button.disabled = true;
		button.blur();
		try {
			await call();
		} catch (error) {
			console.error(error);
		}
		button.classList.remove('spinning');
		button.disabled = false;
	};
	const builtin = {
		baseclass: Base,
		rpc,
		dom: { content: (node, content) => (node.replaceChildren(), append(node, content)) },
		poll: { add: () => true },
		ui: {
			createHandlerFn: (self, name, ...args) => ev => {
				press(ev.currentTarget, () => self[name](...args, ev));
			},
			addNotification: (title, content, kind) => {
				const notice = E('div', { 'class': `alert-message ${kind}` }, content);
				notices.prepend(notice);
				return notice;
			},
			changes: {
				init: () => document.body.setAttribute('data-changes', 'shown'),
				apply: checked => document.body.setAttribute('data-applied', checked),
			},
		},
		view: Base,
	};

	const loaded = {};
	window.load = name => loaded[name] ??= (async () => {
		if (builtin[name])
			return builtin[name];
		const reply = await fetch(`/resources/${name.replaceAll('.', '/')}.js`);
		if (!reply.ok)
			throw new Error(`there is no module ${name}`);
		const source = await reply.text();
		const needs = [...source.matchAll(/^'require ([\w.]+)';$/gm)].map(match => match[1]);
		const modules = await Promise.all(needs.map(load));
		const Module = new Function(...needs, source)(...modules);
		return new Module();
	})();

	/* The page, with the buttons that LuCI puts below a view that saves. */
	window.started = (async () => {
		catalog = await (await fetch(`/catalog?lang=${query.get('lang') ?? 'en'}`)).json();
		document.documentElement.lang = query.get('lang') ?? 'en';
		const module = await load(query.get('module'));
		page.replaceChildren(await module.render(await module.load()));
		if (module.title)
			page.prepend(E('h3', {}, [module.title]));
		if (module.handleSaveApply)
			page.append(E('div', { 'class': 'cbi-page-actions' }, [
				E('button', { 'class': 'btn cbi-button cbi-button-apply', 'id': 'apply',
					'click': ev => press(ev.currentTarget, () => module.handleSaveApply(ev, '0')),
				}, [_('Save & Apply')])]));
		return module;
	})();
})();
