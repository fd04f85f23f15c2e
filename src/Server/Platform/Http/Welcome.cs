using System.Net;

namespace Atoll.Platform.Http;

/// <summary>Answers whoever looks at the server's own address: what it is, and where to go on.</summary>
internal static class Welcome
{
    private const string Page = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Atoll</title>
        <style>
        :root { color-scheme: light dark; }
        body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 10vh auto; padding: 0 1.25rem; }
        h1 { font-size: 1.5rem; margin-bottom: 0; }
        p.version { margin-top: 0; opacity: .7; }
        pre { overflow-x: auto; padding: .75rem 1rem; border: 1px solid #8886; border-radius: .4rem; }
        code, pre { font: .875rem/1.5 ui-monospace, monospace; }
        dt { font-weight: 600; } dd { margin: 0 0 .6rem; }
        </style>
        </head>
        <body>
        <h1>Atoll</h1>
        <p class="version">Version {version}</p>
        <p>This is an Atoll server: it makes models from your data and serves their predictions.</p>
        <p>Log in from a terminal, with the key that you were given:</p>
        <pre>atoll login --server {server}
        atoll --help</pre>
        <dl>
        <dt><a href="/openapi/v1.json">/openapi/v1.json</a></dt><dd>The API, every route described.</dd>
        <dt><a href="/v2">/v2</a></dt><dd>The Open Inference Protocol, for clients that speak it.</dd>
        <dt><a href="/readyz">/readyz</a></dt><dd>Whether the server answers, for load balancers.</dd>
        <dt>docs/</dt><dd>The pages that come with Atoll: docs/README.md lists them.</dd>
        </dl>
        </body>
        </html>
        """;

    public static Task HandleAsync(HttpContext context, OwnAddress address)
    {
        var response = context.Response;
        var version = AtollVersion.Current.Split('+')[0];
        response.Headers.CacheControl = "no-store";
        response.Headers.Vary = "Accept";
        if (!context.Request.Headers.Accept.ToString().Contains("text/html", StringComparison.OrdinalIgnoreCase))
        {
            response.ContentType = "application/json";
            return response.WriteAsync(
                $$"""{"name":"atoll","version":"{{version}}","openapi":"/openapi/v1.json","docs":"docs/README.md of the release"}""", context.RequestAborted);
        }
        response.ContentType = "text/html; charset=utf-8";
        response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
        var server = address.Of(context);
        return response.WriteAsync(
            Page.Replace("{version}", version, StringComparison.Ordinal).Replace("{server}", WebUtility.HtmlEncode(server), StringComparison.Ordinal),
            context.RequestAborted);
    }
}
