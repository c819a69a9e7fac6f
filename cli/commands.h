/* The subcommands, one file each. Each takes its own argument vector, argv[0] being the subcommand's name, and returns
 * the program's exit status (exit_codes.h). main.c owns the table that finds them. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

int cli_run(int argc, char **argv);
int cli_list(int argc, char **argv);
int cli_compare(int argc, char **argv);
int cli_report(int argc, char **argv);
int cli_leaks(int argc, char **argv);
int cli_record(int argc, char **argv);
int cli_history(int argc, char **argv);
int cli_doctor(int argc, char **argv);
int cli_options(int argc, char **argv);

/* One subject in one round, in a process of its own: `poolbuf run` starts it, people do not. */
int cli_worker(int argc, char **argv);

#endif
