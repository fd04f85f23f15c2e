using System.CommandLine;
using Atoll.Cli;
using Atoll.Contracts;
using Atoll.Platform;
using Atoll.Platform.Database;
using Atoll.Tenancy;
using Spectre.Console;

namespace Atoll.Commands;

/// <summary><c>atoll recover</c>: a new key for the platform's administrator, for whoever may write the data folder.</summary>
internal static class RecoverCommand
{
    public static Command Create()
    {
        var data = new Option<string?>("--data") { Description = "Folder that the server keeps its data in. Default: atoll-data.", HelpName = "folder" };
        return new Verb(
            "recover", "Make a new key for the platform's administrator, when the first one was lost; the server must be stopped.",
            new Example("atoll recover --data /var/lib/atoll", "Print a new key"))
        {
            IsLocal = true,
            Options = { data },
        }.Does(async (context, cancellationToken) =>
        {
            var key = await RunAsync(context.Get(data) ?? new AtollOptions().Data, context.Terminal.Clock, cancellationToken);
            var console = context.Terminal.OutConsole;
            console.WriteLine($"A new administrator's key of the platform, shown only now, of principal {key.Principal}:");
            console.Hint($"  {key.Secret}");
            return ExitCodes.Done;
        });
    }

    internal static async Task<CreatedApiKeyResponse> RunAsync(string data, TimeProvider clock, CancellationToken cancellationToken)
    {
        if (!File.Exists(Path.Combine(data, "atoll.db")))
            throw new RefusedException($"There is no data of a server in {Path.GetFullPath(data)}.", "Name its folder with --data.");
        try
        {
            // Opening takes the lock, so a running server, which remembers callers, is never surprised.
            using var folder = DataFolder.Open(data);
            var services = new ServiceCollection();
            services.AddSingleton(folder);
            services.AddSingleton(clock);
            services.AddSqliteDatabase();
            await using var provider = services.BuildServiceProvider();
            await SqliteDatabase.MigrateAsync(provider, cancellationToken);
            return await CreateTenantKey.RunAsync(
                Tenant.PlatformId, [Permissions.PlatformAdminister, Permissions.TenantAdminister], "made by atoll recover",
                provider.GetRequiredService<IServiceScopeFactory>(), clock, cancellationToken);
        }
        catch (DataFolderException problem)
        {
            throw new RefusedException(problem.Message);
        }
    }
}
