using System.CommandLine;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll principals</c>: who and what acts for the tenant.</summary>
internal static class PrincipalCommands
{
    public static Noun Create() => new("principals", "Make, see and delete those who act for your tenant.", Make(), List(), Show(), Delete());

    public static Argument<string> PrincipalArgument() => new("principal") { Description = "Name of the principal." };

    private static Verb Make()
    {
        var name = PrincipalArgument();
        var email = new Option<string?>("--email") { Description = "Address by which JWT assertions may name it.", HelpName = "address" };
        var grants = new Option<string[]>("--grant") { Description = "A permission to begin with; may be repeated.", HelpName = "permission", AllowMultipleArgumentsPerToken = true };
        return new Verb(
            "create", "Make a principal.",
            new("atoll principals create website --grant predict", "A program that may only ask for predictions"),
            new("atoll principals create ana --grant datasets.read datasets.write runs.read runs.write models.read", "Somebody who trains models"))
        {
            Details = "Permissions: " + string.Join(", ", Permissions.All) + ".",
            Arguments = { name }, Options = { email, grants },
        }.Does(async (context, cancellationToken) =>
        {
            var request = new CreatePrincipalRequest { Name = context.Get(name), Email = context.Get(email), Permissions = context.Get(grants) is { Length: > 0 } given ? given : null };
            var created = await context.Client.CreatePrincipalAsync(request, cancellationToken);
            context.Write(created, AtollJson.Default.PrincipalResponse, console =>
            {
                console.WriteLine($"Created principal {created.Name}{(created.Permissions.Count == 0 ? ", which may do nothing yet" : $" with {string.Join(", ", created.Permissions)}")}.");
                console.Hint($"Give it a key:  atoll keys create {created.Name}");
            });
            return ExitCodes.Done;
        });
    }

    private static Verb List()
    {
        var paging = new Paging();
        return new Verb("list", "List principals with what they may do.", new Example("atoll principals list", "All of your tenant")) { Options = { paging.Limit, paging.After } }
            .Does(async (context, cancellationToken) =>
            {
                var page = await context.Client.ListPrincipalsPageAsync(context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
                context.Write(page, AtollJson.Default.PagePrincipalResponse, console =>
                {
                    var grid = new Grid().Flexible("principal").Flexible("may").Text("created");
                    foreach (var principal in page.Items)
                        grid.Row(principal.Name, PermissionText(principal.Permissions), Words.Ago(principal.CreatedUtc, context.Terminal.Clock));
                    grid.Write(console);
                    Paging.ShowMore(context, page);
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Show()
    {
        var name = PrincipalArgument();
        return new Verb("show", "Show a principal.", new Example("atoll principals show website", "What it may do")) { Arguments = { name } }
            .Does(async (context, cancellationToken) =>
            {
                var found = await context.Client.GetPrincipalAsync(context.Get(name), cancellationToken);
                context.Write(found, AtollJson.Default.PrincipalResponse, console => new Facts()
                    .Add("principal", found.Name).Add("id", found.Id).Add("email", found.Email).Add("public key", found.PublicKeyId)
                    .Add("may", found.Permissions.Count == 0 ? "nothing" : string.Join(", ", found.Permissions))
                    .Add("created", $"{found.CreatedUtc:yyyy-MM-dd HH:mm:ss}Z ({Words.Ago(found.CreatedUtc, context.Terminal.Clock)})")
                    .Write(console));
                return ExitCodes.Done;
            });
    }

    private static Verb Delete()
    {
        var name = PrincipalArgument();
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask." };
        return new Verb("delete", "Delete a principal with its keys.", new Example("atoll principals delete website --yes", "Delete it without being asked")) { Arguments = { name }, Options = { yes } }
            .Does(async (context, cancellationToken) =>
            {
                var principal = context.Get(name);
                context.Confirm($"Delete principal {principal}? Its keys stop to work.", context.Get(yes));
                await context.Client.DeletePrincipalAsync(principal, cancellationToken);
                context.Say($"Deleted principal {principal}.");
                return ExitCodes.Done;
            });
    }

    private static string PermissionText(IReadOnlyList<string> permissions) =>
        permissions.Count == 0 ? "nothing" : Permissions.OfTenant.All(permissions.Contains) ? "everything" : string.Join(", ", permissions);
}
