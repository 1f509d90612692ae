'use strict';
/* What the tests do with a page: ?do=NAME. The outcome goes into the #outcome of the window, for who
 * reads the DOM. */
(async () => {
	const wait = ms => new Promise(done => setTimeout(done, ms));
	const find = selector => {
		const found = document.querySelector(selector);
		if (!found)
			throw new Error(`there is no ${selector}`);
		return found;
	};
	const enter = (selector, value) => {
		const field = find(selector);
		field.value = value;
		field.dispatchEvent(new Event('change', { bubbles: true }));
		field.dispatchEvent(new FocusEvent('blur'));
	};
	/* Saved or not: told, and not applied. */
	const held = async () => {
		click('#apply');
		await until('a notice', () => document.querySelector('#notices .alert-message'));
		if (document.body.dataset.applied)
			throw new Error('it was applied');
	};
	const click = selector => find(selector).click();
	const until = async (what, there) => {
		for (let i = 0; i < 200; i++) {
			if (there())
				return;
			await wait(20);
		}
		throw new Error(`waited in vain: ${what}; ${find('#notices').innerText}`);
	};
	const text = () => document.getElementById('view').innerText;
	const card = (section, option) => `[data-section="${section}"] [data-option="${option}"]`;

	const scenarios = {
		/* Nothing is wider than the screen, no button's word is cut, and nothing that can be pressed
		 * has no name. */
		async look() {
			const { clientWidth } = document.documentElement;
			if (clientWidth != new URLSearchParams(location.search).get('width'))
				throw new Error(`the screen is ${clientWidth} wide`);
			for (const button of document.querySelectorAll('button'))
				if (button.scrollWidth > button.clientWidth)
					throw new Error(`cut: ${button.outerHTML}`);
			const wide = [...document.querySelectorAll('main *')].filter(node =>
				node.getBoundingClientRect().right > clientWidth + 1);
			if (wide.length)
				throw new Error(`too wide: ${wide[0].outerHTML.slice(0, 200)}`);
			for (const field of document.querySelectorAll('input, select, textarea'))
				if (!field.getAttribute('aria-label') && !field.closest('label'))
					throw new Error(`has no label: ${field.outerHTML}`);
			return text();
		},
		async check() {
			click('.cbi-button-neutral');
			await until('a notice', () => document.querySelector('#notices .alert-message'));
			return find('#notices').innerText;
		},
		async update() {
			click('.cbi-button-action');
			await until('a notice', () => document.querySelector('#notices .alert-message'));
			return find('#notices').innerText;
		},
		/* A new account and a new name, with the secret typed in. */
		async add() {
			const add = (index, name) => {
				const box = document.querySelectorAll('.cbi-section-create')[index];
				box.querySelector('input').value = name;
				box.querySelector('button').click();
			};
			add(0, 'duck');
			await until('the card', () => document.querySelector('[data-section=duck]'));
			enter(card('duck', 'provider'), 'duckdns');
			enter(card('duck', 'token'), 'n3w-s3cret');
			add(1, 'door');
			await until('the card', () => document.querySelector('[data-section=door]'));
			enter(card('door', 'account'), 'duck');
			enter(card('door', 'fqdn'), 'door.duckdns.org');
			enter(card('door', 'shared_line'), 'wan');
			click('#apply');
			await until('applied', () => document.body.dataset.applied);
			return find(card('duck', 'token')).placeholder + ' ' + find(card('duck', 'token')).value;
		},
		/* Somebody to tell: where to is typed in, and not shown again. */
		async hook() {
			const box = [...document.querySelectorAll('.cbi-section-create')].pop();
			box.querySelector('input').value = 'phone';
			box.querySelector('button').click();
			await until('the card', () => document.querySelector('[data-section=phone]'));
			enter(card('phone', 'url'), 'https://ntfy.example/n3w-s3cret');
			enter(card('phone', 'token'), 'n3w-s3cret');
			click('#apply');
			await until('applied', () => document.body.dataset.applied);
			return find(card('phone', 'url')).placeholder + '|' + find(card('phone', 'url')).value;
		},
		/* A field left empty is not saved. */
		async empty() {
			enter(card('home', 'fqdn'), '');
			await held();
			return text();
		},
		/* What went wrong on the way to the router is told. */
		async refused() {
			enter(card('lab', 'token'), 'n3w-s3cret');
			await held();
			return find('#notices').innerText;
		},
		/* What only reachd can know is wrong: saved, told beside the field, not applied. */
		async wrong() {
			enter(card('home', 'fqdn'), 'elsewhere.example.com');
			await held();
			return find('[data-section=home]').innerText;
		},
		/* The secret of one service is not handed to another. */
		async move() {
			enter(card('lab', 'provider'), 'hetzner');
			await until('the fields', () => document.querySelector(card('lab', 'token')));
			if (find(card('lab', 'token')).placeholder.includes('set;'))
				throw new Error('the old secret counts as set');
			enter(card('lab', 'token'), 'n3w-s3cret');
			click('#apply');
			await until('saved', () => document.body.dataset.changes);
			return text();
		},
		async remove() {
			click('[data-section=home] .cbi-button-remove');
			click('#apply');
			await until('saved', () => document.body.dataset.changes);
			return text();
		},
	};
	const outcome = top.document.getElementById('outcome');
	try {
		await window.started;
		await wait(100);
		const name = new URLSearchParams(location.search).get('do') ?? 'look';
		outcome.textContent = `ok ${await scenarios[name]()}`;
	} catch (error) {
		outcome.textContent = `failed ${error.message}`;
	}
})();
