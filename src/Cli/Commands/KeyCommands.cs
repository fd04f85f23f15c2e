using System.CommandLine;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll keys</c>: API keys of principals.</summary>
internal static class KeyCommands
{
    public static Noun Create() => new("keys", "Make, see and end API keys.", Make(), List(), Delete());

    private static Verb Make()
    {
        var name = PrincipalCommands.PrincipalArgument();
        var note = new Option<string?>("--note") { Description = "What the key is for.", HelpName = "text" };
        var expires = new Option<DateTimeOffset?>("--expires") { Description = "When the key stops to work, such as 2030-01-31. Default: never.", HelpName = "moment" };
        return new Verb(
            "create", "Make an API key for a principal; prints it, once.",
            new("atoll keys create website --note \"production web server\"", "A key for a program"),
            new("atoll keys create ana --expires 2030-01-31", "A key that ends by itself"))
        {
            Arguments = { name }, Options = { note, expires },
        }.Does(async (context, cancellationToken) =>
        {
            var request = new CreateApiKeyRequest { Note = context.Get(note), Expires = context.Get(expires) };
            var created = await context.Client.CreateApiKeyAsync(context.Get(name), request, cancellationToken);
            context.Write(created, AtollJson.Default.CreatedApiKeyResponse, console =>
            {
                console.WriteLine($"Key {created.Id} of {created.Principal}, shown only now:");
                console.Hint($"  {created.Secret}");
            });
            return ExitCodes.Done;
        });
    }

    private static Verb List()
    {
        var name = PrincipalCommands.PrincipalArgument();
        var paging = new Paging();
        return new Verb("list", "List the keys of a principal, without their secrets.", new Example("atoll keys list website", "Its keys")) { Arguments = { name }, Options = { paging.Limit, paging.After } }
            .Does(async (context, cancellationToken) =>
            {
                var page = await context.Client.ListApiKeysPageAsync(context.Get(name), context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
                context.Write(page, AtollJson.Default.PageApiKeyResponse, console =>
                {
                    if (page.Items.Count == 0)
                    {
                        console.Hint($"No keys. Make one with: atoll keys create {context.Get(name)}");
                        return;
                    }
                    var grid = new Grid().Text("key").Text("begins with").Flexible("note").Text("created").Text("expires");
                    foreach (var key in page.Items)
                        grid.Row(key.Id, key.Prefix, key.Note, Words.Ago(key.CreatedUtc, context.Terminal.Clock), key.ExpiresUtc is { } moment ? $"{moment:yyyy-MM-dd HH:mm}Z" : "never");
                    grid.Write(console);
                    Paging.ShowMore(context, page);
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Delete()
    {
        var name = PrincipalCommands.PrincipalArgument();
        var key = new Argument<string>("key") { Description = "Id of the key, from 'atoll keys list'; not its secret." };
        return new Verb("delete", "End a key; at once.", new Example("atoll keys delete website key_01jd...", "It stops to work")) { Arguments = { name, key } }
            .Does(async (context, cancellationToken) =>
            {
                await context.Client.DeleteApiKeyAsync(context.Get(name), context.Get(key), cancellationToken);
                context.Say($"Key {context.Get(key)} no longer works.");
                return ExitCodes.Done;
            });
    }
}
