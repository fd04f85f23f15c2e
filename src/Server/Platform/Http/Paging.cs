using Atoll.Contracts;
using Microsoft.EntityFrameworkCore;

namespace Atoll.Platform.Http;

/// <summary>Query parameters of every list.</summary>
/// <param name="After">The <c>next</c> of the page before.</param>
/// <param name="Limit">How many items, at most <see cref="LimitMax"/>.</param>
internal readonly record struct Paging(string? After, int? Limit)
{
    public const int LimitMax = 1000;
    private const int LimitDefault = 100;

    /// <summary>Null when the parameters can be used; otherwise the problem to answer.</summary>
    public Problem? Check() => Limit is < 1 or > LimitMax
        ? HttpProblems.InvalidField("limit", $"is {Limit}", $"Use 1 to {LimitMax}.")
        : null;

    /// <summary>Reads one page of an ordered query that already begins behind <see cref="After"/>.</summary>
    public async Task<Page<TWire>> ReadAsync<TRow, TWire>(
        IQueryable<TRow> query, Func<TRow, string> cursor, Func<TRow, TWire> toWire, CancellationToken cancellationToken)
    {
        var limit = Limit ?? LimitDefault;
        var rows = await query.Take(limit + 1).ToListAsync(cancellationToken);
        var more = rows.Count > limit;
        if (more) rows.RemoveAt(limit);
        return new Page<TWire>([.. rows.Select(toWire)], more ? cursor(rows[^1]) : null);
    }
}
