using System.CommandLine;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll keys</c>: API keys of principals.</summary>
internal static class KeyCommands
{
    public static Noun Create() => new("keys", "Make, see and end API keys, and key pairs for JWT assertions.", Make(), List(), Delete(), MakePair(), SetPublic(), DeletePublic());

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
        var name = new Argument<string?>("principal") { Description = "Name of the principal. Default: you.", Arity = ArgumentArity.ZeroOrOne };
        var paging = new Paging();
        return new Verb("list", "List the keys of a principal, without their secrets.", new("atoll keys list website", "Its keys"), new("atoll keys list", "Your own")) { Arguments = { name }, Options = { paging.Limit, paging.After } }
            .Does(async (context, cancellationToken) =>
            {
                var principal = context.Get(name) ?? (await context.Client.GetCallerAsync(cancellationToken)).Principal;
                var page = await context.Client.ListApiKeysPageAsync(principal, context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
                context.Write(page, AtollJson.Default.PageApiKeyResponse, console =>
                {
                    if (page.Items.Count == 0)
                    {
                        console.Hint($"No keys. Make one with: atoll keys create {principal}");
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

    private static Verb MakePair()
    {
        var name = PrincipalCommands.PrincipalArgument();
        var to = new Option<string?>("--to") { Description = "File to write the private key to, readable only by you. Default: print it.", HelpName = "file" };
        return new Verb(
            "create-pair", "Make a key pair with which a principal signs JWT assertions; gives the private key, once.",
            new Example("atoll keys create-pair website --to website.pem", "Keep the private key in a file"))
        {
            Details = "The pair takes the place of the principal's former one, whose assertions and tokens stop to work.",
            Arguments = { name }, Options = { to },
        }.Does(async (context, cancellationToken) =>
        {
            // Before the pair is made: a key that cannot be stored would be lost.
            var path = context.Get(to);
            if (path is not null && File.Exists(path)) throw new UsageException($"There is already a file '{path}'. Choose another, or remove it.");
            await using var file = path is null ? null : Private(path);
            var created = await context.Client.CreateKeyPairAsync(context.Get(name), cancellationToken);
            if (file is not null) await file.WriteAsync(System.Text.Encoding.ASCII.GetBytes(created.PrivateKeyPem), cancellationToken);
            if (context.IsJson)
            {
                context.WriteJson(created, AtollJson.Default.CreatedKeyPairResponse);
                return ExitCodes.Done;
            }
            context.Say($"Key pair {created.PublicKeyId} of {created.Principal}. " + (path is null ? "Its private key, shown only now:" : $"Its private key is in {path}; it is nowhere else."));
            if (path is null) context.Terminal.Out.WriteLine(created.PrivateKeyPem);
            return ExitCodes.Done;
        });
    }

    private static Verb SetPublic()
    {
        var name = PrincipalCommands.PrincipalArgument();
        var path = new Argument<string>("file") { Description = "The public key in PEM: RSA of at least 2048 bits, or P-256." };
        var proof = new Option<string>("--proof") { Description = "A JWT assertion signed with the private key, whose 'sub' is the principal's id.", HelpName = "jwt", Required = true };
        return new Verb(
            "set-public", "Register a public key of your own for a principal's JWT assertions.",
            new Example("atoll keys set-public website website.pub --proof eyJhbGciOiJSUzI1NiJ9...", "A key whose private half never left your machine"))
        {
            Arguments = { name, path }, Options = { proof },
        }.Does(async (context, cancellationToken) =>
        {
            if (!File.Exists(context.Get(path))) throw new UsageException($"There is no file '{context.Get(path)}'.");
            var request = new SetPublicKeyRequest { PublicKeyPem = await File.ReadAllTextAsync(context.Get(path), cancellationToken), Proof = context.Get(proof)! };
            var principal = await context.Client.SetPublicKeyAsync(context.Get(name), request, cancellationToken);
            context.Write(principal, AtollJson.Default.PrincipalResponse, console => console.WriteLine($"{principal.Name} now signs with the key {principal.PublicKeyId}."));
            return ExitCodes.Done;
        });
    }

    private static Verb DeletePublic()
    {
        var name = PrincipalCommands.PrincipalArgument();
        return new Verb(
            "delete-public", "Remove a principal's public key; its assertions and the tokens that they bought stop to work.",
            new Example("atoll keys delete-public website", "No more assertions")) { Arguments = { name } }
            .Does(async (context, cancellationToken) =>
            {
                await context.Client.DeletePublicKeyAsync(context.Get(name), cancellationToken);
                context.Say($"Assertions of {context.Get(name)} no longer work.");
                return ExitCodes.Done;
            });
    }

    private static FileStream Private(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }
}
