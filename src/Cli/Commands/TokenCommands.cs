using System.CommandLine;
using Atoll.Contracts;

namespace Atoll.Cli.Commands;

/// <summary><c>atoll tokens</c>: refresh tokens of principals.</summary>
internal static class TokenCommands
{
    public static Noun Create() => new("tokens", "See and end the refresh tokens that principals bought.", List(), Delete());

    private static Verb List()
    {
        var name = PrincipalCommands.PrincipalArgument();
        var paging = new Paging();
        return new Verb("list", "List the refresh tokens of a principal, without their secrets.", new Example("atoll tokens list website", "Its tokens")) { Arguments = { name }, Options = { paging.Limit, paging.After } }
            .Does(async (context, cancellationToken) =>
            {
                var page = await context.Client.ListRefreshTokensPageAsync(context.Get(name), context.Get(paging.After), context.Get(paging.Limit), cancellationToken);
                context.Write(page, AtollJson.Default.PageRefreshTokenResponse, console =>
                {
                    if (page.Items.Count == 0)
                    {
                        console.WriteLine("No refresh tokens.");
                        return;
                    }
                    var grid = new Grid().Text("token").Text("created").Text("used");
                    foreach (var token in page.Items)
                        grid.Row(token.Id, Words.Ago(token.CreatedUtc, context.Terminal.Clock), token.UsedUtc is { } used ? Words.Ago(used, context.Terminal.Clock) : "never");
                    grid.Write(console);
                    Paging.ShowMore(context, page);
                });
                return ExitCodes.Done;
            });
    }

    private static Verb Delete()
    {
        var name = PrincipalCommands.PrincipalArgument();
        var token = new Argument<string>("token") { Description = "Id of the token, from 'atoll tokens list'; not its secret." };
        return new Verb("delete", "End a refresh token and the access tokens that it bought; at once.", new Example("atoll tokens delete website rft_01jd...", "It stops to work")) { Arguments = { name, token } }
            .Does(async (context, cancellationToken) =>
            {
                await context.Client.DeleteRefreshTokenAsync(context.Get(name), context.Get(token), cancellationToken);
                context.Say($"Token {context.Get(token)} no longer works.");
                return ExitCodes.Done;
            });
    }
}
