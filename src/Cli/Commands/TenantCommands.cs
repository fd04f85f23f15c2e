using System.CommandLine;
using System.Globalization;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll tenants</c>: the customers' spaces; for administrators of the platform.</summary>
internal static class TenantCommands
{
    public static Noun Create() => new("tenants", "Make, see and delete tenants; needs the platform administrator's key.", Make(), List(), Show(), Limit(), Recover(), Delete());

    private static Argument<string> TenantArgument() => new("tenant") { Description = "Name of the tenant." };

    private static Verb Make()
    {
        var name = TenantArgument();
        return new Verb("create", "Make a tenant; prints its administrator's key, once.", new Example("atoll tenants create acme", "A space for the customer acme")) { Arguments = { name } }
            .Does(async (context, cancellationToken) =>
            {
                var created = await context.Client.CreateTenantAsync(context.Get(name), cancellationToken);
                context.Write(created, AtollJson.Default.CreatedTenantResponse, console =>
                {
                    console.WriteLine($"Created tenant {created.Tenant.Name}.");
                    console.Hint($"Its administrator's key, shown only now: {created.AdministratorKey.Secret}");
                    console.Hint($"Use it:  atoll login --server {context.Client.Server.ToString().TrimEnd('/')} --key {created.AdministratorKey.Secret}");
                });
                return ExitCodes.Done;
            });
    }

    private static Verb List()
    {
        var paging = new Paging();
        return new Verb("list", "List tenants.", new Example("atoll tenants list", "All tenants")) { Options = { paging.Limit, paging.After } }
            .Does(async (context, cancellationToken) =>
            {
                var page = await context.Client.ListTenantsPageAsync(context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
                context.Write(page, AtollJson.Default.PageTenantResponse, console =>
                {
                    var grid = new Grid().Flexible("tenant").Text("id").Text("created");
                    foreach (var tenant in page.Items) grid.Row(tenant.Name, tenant.Id, Words.Ago(tenant.CreatedUtc, context.Terminal.Clock));
                    grid.Write(console);
                    Paging.ShowMore(context, page);
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Show()
    {
        var name = TenantArgument();
        return new Verb("show", "Show a tenant with its limits.", new Example("atoll tenants show acme", "Its id, age and limits")) { Arguments = { name } }
            .Does(async (context, cancellationToken) =>
            {
                var tenant = await context.Client.GetTenantAsync(context.Get(name), cancellationToken);
                context.Write(tenant, AtollJson.Default.TenantResponse, console =>
                {
                    new Facts().Add("tenant", tenant.Name).Add("id", tenant.Id).Add("created", $"{tenant.CreatedUtc:yyyy-MM-dd HH:mm:ss}Z ({Words.Ago(tenant.CreatedUtc, context.Terminal.Clock)})")
                        .Write(console);
                    console.WriteLine();
                    var grid = new Grid().Flexible("limit").Number("value").Number("default");
                    foreach (var limit in tenant.Limits ?? []) grid.Row(limit.Name, Number(limit.Value), Number(limit.Default));
                    grid.Write(console);
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Limit()
    {
        var name = TenantArgument();
        var limit = new Argument<string>("limit") { Description = "Name of the limit, as 'atoll tenants show' lists it." };
        var value = new Argument<string>("value") { Description = "Its value for this tenant, or 'default' for that of the settings." };
        return new Verb(
            "limit", "Change what a tenant may take of the platform.", new Example("atoll tenants limit acme diskBytesMax 500e9", "Let acme keep 500 GB"),
            new Example("atoll tenants limit acme diskBytesMax default", "What the settings say holds again")) { Arguments = { name, limit, value } }
            .Does(async (context, cancellationToken) =>
            {
                if (context.Get(value) == "default")
                {
                    await context.Client.DeleteTenantLimitAsync(context.Get(name), context.Get(limit), cancellationToken);
                    context.Say($"The settings decide the limit {context.Get(limit)} of {context.Get(name)} again.");
                    return ExitCodes.Done;
                }
                if (!double.TryParse(context.Get(value), NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
                    throw new UsageException($"'{context.Get(value)}' is not a number. Give one, such as 20 or 500e9, or 'default'.");
                var changed = await context.Client.PutTenantLimitAsync(context.Get(name), context.Get(limit), number, cancellationToken);
                context.Write(changed, AtollJson.Default.TenantLimitResponse, console => console.WriteLine($"The limit {changed.Name} of {context.Get(name)} is {Number(changed.Value)} now."));
                return ExitCodes.Done;
            });
    }

    private static string Number(double value) => value.ToString("#,0.###", CultureInfo.InvariantCulture);

    private static Verb Recover()
    {
        var name = TenantArgument();
        return new Verb("recover", "Make a key for a tenant whose administrators have lost theirs; the tenant sees it as the principal 'recovery'.", new Example("atoll tenants recover acme", "A key that may administer acme")) { Arguments = { name } }
            .Does(async (context, cancellationToken) =>
            {
                var created = await context.Client.CreateTenantKeyAsync(context.Get(name), cancellationToken);
                context.Write(created, AtollJson.Default.CreatedApiKeyResponse, console =>
                {
                    console.WriteLine($"Key of {created.Principal} in tenant {context.Get(name)}, shown only now:");
                    console.Hint($"  {created.Secret}");
                    console.WriteLine($"It may manage the tenant's principals, grants and keys, and give itself more: atoll grants add {created.Principal} <permission>");
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Delete()
    {
        var name = TenantArgument();
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask." };
        return new Verb("delete", "Delete a tenant with everything that it owns.", new Example("atoll tenants delete acme --yes", "Delete it without being asked")) { Arguments = { name }, Options = { yes } }
            .Does(async (context, cancellationToken) =>
            {
                var tenant = context.Get(name);
                context.Confirm($"Delete tenant {tenant} with all its data, models and keys? This cannot be undone.", context.Get(yes));
                await context.Client.DeleteTenantAsync(tenant, cancellationToken);
                context.Say($"Deleted tenant {tenant}.");
                return ExitCodes.Done;
            });
    }
}
