'use strict';
'require baseclass';
'require reachd';

/* The box on LuCI's status page. */
return baseclass.extend({
	title: _('Reachability'),

	/* A load that fails hides the box for good, so it says what it knows instead. */
	load() {
		return reachd.status().catch(error => error);
	},

	render(status) {
		return status instanceof Error
			? E('em', {}, [status.message]) : reachd.names(status);
	},
});
