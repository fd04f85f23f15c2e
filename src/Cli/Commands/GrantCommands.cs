using System.CommandLine;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll grants</c>: what a principal may do.</summary>
internal static class GrantCommands
{
    public static Noun Create() => new("grants", "Grant permissions to principals and take them back.", List(), Add(), Remove());

    private static Argument<string> PermissionArgument()
    {
        var permission = new Argument<string>("permission") { Description = "One of: " + string.Join(", ", Permissions.All) + "." };
        permission.CompletionSources.Add(Permissions.All.ToArray());
        return permission;
    }

    private static Verb List()
    {
        var name = PrincipalCommands.PrincipalArgument();
        var paging = new Paging();
        return new Verb("list", "List what a principal may do.", new Example("atoll grants list website", "Its permissions")) { Arguments = { name }, Options = { paging.Limit, paging.After } }
            .Does(async (context, cancellationToken) =>
            {
                var page = await context.Client.ListGrantsPageAsync(context.Get(name), context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
                context.Write(page, AtollJson.Default.PageGrantResponse, console =>
                {
                    if (page.Items.Count == 0) console.Hint($"{context.Get(name)} may do nothing. Grant something with: atoll grants add {context.Get(name)} <permission>");
                    foreach (var grant in page.Items) console.WriteLine(grant.Permission);
                    Paging.ShowMore(context, page);
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Add()
    {
        var (name, permission) = (PrincipalCommands.PrincipalArgument(), PermissionArgument());
        return new Verb("add", "Grant a permission.", new Example("atoll grants add website predict", "The website may ask for predictions")) { Arguments = { name, permission } }
            .Does(async (context, cancellationToken) =>
            {
                var granted = await context.Client.PutGrantAsync(context.Get(name), context.Get(permission), cancellationToken);
                context.Write(granted, AtollJson.Default.GrantResponse, console => console.WriteLine($"{context.Get(name)} may {granted.Permission}."));
                return ExitCodes.Done;
            });
    }

    private static Verb Remove()
    {
        var (name, permission) = (PrincipalCommands.PrincipalArgument(), PermissionArgument());
        return new Verb("remove", "Take a permission back; at once.", new Example("atoll grants remove website predict", "No more predictions")) { Arguments = { name, permission } }
            .Does(async (context, cancellationToken) =>
            {
                await context.Client.DeleteGrantAsync(context.Get(name), context.Get(permission), cancellationToken);
                context.Say($"{context.Get(name)} may no longer {context.Get(permission)}.");
                return ExitCodes.Done;
            });
    }
}
